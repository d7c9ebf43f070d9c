// Package httpapi serves the HTTP API, the REST API or the function URL of an app on one
// machine: what API Gateway and Lambda do between an HTTP request and a function. It knows
// functions as things that can be invoked, and nothing of templates and processes.
//
// # HTTP APIs: whole
//
// Payload 2.0 and 1.0, routes with {name}, {name+}, ANY and $default in AWS's order of
// preference, the stage in the path, CORS with preflight requests, answers in the
// inferred and in the whole form, cookies, bodies in base64, AWS's error answers and
// limits. Authorizers: REQUEST in both payloads, with simple answers and policies, and JWT
// with the keys of the real issuer, which are fetched.
//
// # Function URLs
//
// Payload 2.0, CORS, 15 minutes. With InvokeMode RESPONSE_STREAM an answer comes whole,
// when the function has ended.
//
// # REST APIs: proxy integrations
//
// The event of a Lambda proxy integration, the path with its stage, binary types, AWS's
// error answers, authorizers TOKEN, REQUEST and COGNITO with real keys. Nothing else:
// gateway responses, API keys, models, request validation, mapping templates and the CORS
// of a template's OPTIONS methods, which are MOCK integrations, are not here.
//
// # Not done
//
//   - AWS_IAM: signatures are not checked; a request goes through without, and people
//     are told once.
//   - The results of authorizers are not kept: each request asks.
//   - Throttles of stages, custom domains, mutual TLS, parameter mapping, the standard
//     header Forwarded, the content type that an HTTP API adds to an empty request.
//   - An authorizer's policy with a Condition is an error.
//   - The names of headers in a REST API's event are canonical, not as a client sent them.
//
// # Known and unknown
//
// A fact about AWS names its source next to the code; what nobody could check says
// UNCERTAIN there. The main ones: the content type of an answer that names none; whether
// the function is asked for a preflight request that a route takes; a slash at the end of
// an HTTP API's path; which of several greedy routes wins; the texts of 400, 413 and 431;
// which bodies of a function's URL are binary.
//
// # Bounds
//
// A request line and header values of 10,240 bytes, a body of 10 MB, an event and a result
// of 6 MB, 1,000 requests and 1,000 invocations at one time. A function that takes longer
// than its API waits goes on, as on AWS, until it ends or the handler is closed. A request
// to a host name that is not this machine's is refused, because a page could have pointed
// its own name here; who may call otherwise is the app's matter, with CORS, as on AWS.
package httpapi
