package wirepost

// The problems, in the order in which one would look for them: first what
// can be seen in the configuration, then what the network says, then what API
// Gateway answers, then what its configuration, the store and a client say.
const (
	ProblemEndpointUnset         Problem = "endpoint-unset"
	ProblemEndpointScheme        Problem = "endpoint-scheme"
	ProblemEndpointHost          Problem = "endpoint-host"
	ProblemEndpointSuffix        Problem = "endpoint-suffix"
	ProblemEndpointPath          Problem = "endpoint-path"
	ProblemEndpointStageMissing  Problem = "endpoint-stage-missing"
	ProblemEndpointStageOnDomain Problem = "endpoint-stage-on-custom-domain"
	ProblemEndpointOverride      Problem = "endpoint-override"
	ProblemEndpointResolver      Problem = "endpoint-resolver-deprecated"
	ProblemEndpointVariant       Problem = "endpoint-fips-or-dualstack"
	ProblemSigningRegion         Problem = "signing-region"

	ProblemEndpointUnresolved  Problem = "endpoint-unresolved"
	ProblemEndpointPrivate     Problem = "endpoint-private-address"
	ProblemEndpointRefused     Problem = "endpoint-refused"
	ProblemEndpointUnreachable Problem = "endpoint-unreachable"
	ProblemEndpointCertificate Problem = "endpoint-certificate"
	ProblemNotAPIGateway       Problem = "not-api-gateway"
	ProblemEndpointAnotherAPI  Problem = "endpoint-another-api"

	ProblemCredentialsMissing Problem = "credentials-missing"
	ProblemCredentialsInvalid Problem = "credentials-invalid"
	ProblemCredentialsAccount Problem = "credentials-another-account"
	ProblemSignatureMismatch  Problem = "signature-mismatch"
	ProblemClockSkew          Problem = "clock-skew"
	ProblemSendDenied         Problem = "send-denied"
	ProblemGetDenied          Problem = "get-denied"
	ProblemDeleteDenied       Problem = "delete-denied"
	ProblemPathNotSend        Problem = "path-not-a-send"
	ProblemForbidden          Problem = "forbidden-unexplained"

	ProblemConnectionGone Problem = "connection-gone"
	ProblemConnectionID   Problem = "connection-id-invalid"
	ProblemMessageSize    Problem = "message-too-large"
	ProblemMessageText    Problem = "message-not-text"
	ProblemThrottled      Problem = "throttled"
	ProblemServerError    Problem = "server-error"
	ProblemNoAnswer       Problem = "no-answer"
	ProblemDeadline       Problem = "deadline"
	ProblemUnexpected     Problem = "unexpected-answer"
	ProblemStore          Problem = "store"
	ProblemEventMalformed Problem = "event-malformed"

	ProblemAPIUnknown        Problem = "api-unknown"
	ProblemStageUnknown      Problem = "stage-unknown"
	ProblemAPIDisabled       Problem = "execute-api-disabled"
	ProblemStageNotDeployed  Problem = "stage-not-deployed"
	ProblemDeploymentStale   Problem = "deployment-stale"
	ProblemThrottleZero      Problem = "throttle-zero"
	ProblemDefaultRoute      Problem = "default-route-missing"
	ProblemRouteResponse     Problem = "route-response-missing"
	ProblemInvokePermission  Problem = "invoke-permission-missing"
	ProblemLogRole           Problem = "log-role-missing"
	ProblemMappingMissing    Problem = "mapping-missing"
	ProblemConnectOpen       Problem = "connect-open"
	ProblemStoreDeadAPI      Problem = "store-dead-api"
	ProblemStoreSeveralAPIs  Problem = "store-several-apis"
	ProblemStoreOldRows      Problem = "store-old-rows"
	ProblemPresenceUnswept   Problem = "presence-unswept"
	ProblemStoreHost         Problem = "store-host-mismatch"
	ProblemStoreMoved        Problem = "store-endpoint-moved"
	ProblemStoreTable        Problem = "store-table"
	ProblemKeptAndNot        Problem = "kept-and-not"
	ProblemFunctionTimeout   Problem = "function-timeout-short"
	ProblemPoolSmall         Problem = "connection-pool-small"
	ProblemLongUnset         Problem = "long-function-unset"
	ProblemLongUnknown       Problem = "long-function-unknown"
	ProblemLongNoAlias       Problem = "long-function-no-alias"
	ProblemLongDenied        Problem = "long-function-denied"
	ProblemLongTimeout       Problem = "long-function-timeout"
	ProblemLongRetried       Problem = "long-function-retried"
	ProblemHandlerTooLong    Problem = "handler-too-long"
	ProblemStreamNotKept     Problem = "stream-not-kept"
	ProblemStreamUnknown     Problem = "stream-unknown"
	ProblemStreamLost        Problem = "stream-lost"
	ProblemStreamSlow        Problem = "stream-slow"
	ProblemStreamExpired     Problem = "stream-expired"
	ProblemStreamNotSent     Problem = "stream-not-sent"
	ProblemStreamInternal    Problem = "stream-internal"
	ProblemConnectFailed     Problem = "connect-failed"
	ProblemConnectRefused    Problem = "connect-refused"
	ProblemConnectThrottled  Problem = "connect-throttled"
	ProblemSubprotocol       Problem = "subprotocol-not-returned"
	ProblemMessageLost       Problem = "message-not-received"
	ProblemConnectionUnknown Problem = "connection-not-found"
)

// problemText is what the catalogue has of a problem.
type problemText struct {
	sentence, fix string
	// seen is what it looks like without this catalogue: the words of AWS's client,
	// of the network or of API Gateway. Empty if there is nothing to see.
	seen string
}

// problems is the whole catalogue, and docs/problems.md is made of it. A sentence
// says what is the matter in general; the [Error] that carries the problem says it
// of the thing at hand.
var problems = map[Problem]problemText{
	ProblemEndpointUnset: {"it is not known which management endpoint to send to",
		"connect one client so that it can be learned, or set WIREPOST_ENDPOINT=https://<api-id>.execute-api.<region>.amazonaws.com/<stage>",
		"`lookup execute-api.<region>.amazonaws.com: no such host`: AWS's client, when no endpoint is set, calls a host that does not exist"},
	ProblemEndpointScheme: {"the management endpoint does not start with https:// (wss:// is the address that clients dial; sending uses HTTPS)",
		"use https:// with the same host and stage; http:// is for loopback addresses only",
		"`unsupported protocol scheme \"wss\"`, which AWS's client says only after three attempts and some seconds: with Lambda's default timeout of 3 s only `Task timed out` is logged"},
	ProblemEndpointHost: {"the host of the management endpoint is not a host name",
		"use <api-id>.execute-api.<region>.amazonaws.com, or the custom domain of the API",
		"`lookup dev: no such host` (the host is empty and the stage took its place), `http: no Host in request URL`; `lookup undefined.execute-api.<region>.amazonaws.com: no such host` and `invalid character \"{\" in host name` (a variable has no value, or a template has no `!Sub` before `${...}`)"},
	ProblemEndpointSuffix: {"the management endpoint already contains /@connections, which is added for each call",
		"remove /@connections and what follows it",
		"403 `not authorized to perform: execute-api:Invoke on resource: …/POST/@connections/@connections/…`"},
	ProblemEndpointPath: {"the management endpoint has something else in it than a scheme, a host and a stage",
		"leave https://<host>/<stage>, without query, user, fragment or further path",
		"403 Forbidden for a stage called `undefined`: a variable has no value"},
	ProblemEndpointStageMissing: {"the management endpoint has no stage, so API Gateway reads \"@connections\" as the stage and answers 403 Forbidden",
		"append the stage, such as /prod",
		"`StatusCode: 403, …, ForbiddenException: ` with nothing after the colon"},
	ProblemEndpointStageOnDomain: {"the mapping of a custom domain already contains the stage, so appending it makes a path that API Gateway does not know",
		"use the custom domain with its mapping key only, or the execute-api host with the stage",
		"403 `not authorized to perform: execute-api:Invoke on resource: …/prod/POST/prod/@connections/…`, and once that is allowed `No method found matching route prod/@connections/…`"},
	ProblemEndpointOverride: {"an environment variable or AWS's configuration file sends pushes to another endpoint than the event names",
		"unset it, or make it the endpoint of this API",
		"pushes go to a local emulator, or nowhere: AWS_ENDPOINT_URL is obeyed by every AWS client"},
	ProblemEndpointResolver: {"a deprecated EndpointResolver is set on the AWS config: it wins over every BaseEndpoint, drops the stage and signs for the wrong service",
		"remove it and set BaseEndpoint, or use sdkclient.New",
		"403 `Credential should be scoped to correct service: 'execute-api'`"},
	ProblemEndpointVariant: {"AWS's client refuses an endpoint of one's own together with FIPS or dual-stack",
		"unset AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT for this client, or use sdkclient.New",
		"`Invalid Configuration: FIPS and custom endpoint are not supported`"},
	ProblemSigningRegion: {"requests would be signed for another region than the endpoint's",
		"set AWS_REGION to the region in the endpoint's host",
		"403 `Credential should be scoped to a valid region`; an empty region is signed for without an error"},

	ProblemEndpointUnresolved: {"the host of the management endpoint does not resolve",
		"check the API ID and the region: the API may have been deleted or created again",
		"`lookup <api-id>.execute-api.<region>.amazonaws.com: no such host`"},
	ProblemEndpointPrivate: {"the host of the management endpoint resolves to a private address: a VPC endpoint for execute-api with private DNS captures every public API of the region and answers 403",
		"use a Regional custom domain for this API, or turn private DNS off on the VPC endpoint",
		"403 `{\"message\":\"Forbidden\"}` at once, from inside the VPC only"},
	ProblemEndpointRefused: {"nothing listens at the management endpoint",
		"start the gateway, or correct the port",
		"`connect: connection refused`, which AWS's client says after three attempts"},
	ProblemEndpointUnreachable: {"no connection to the management endpoint could be opened in time",
		"a function in a VPC needs a NAT gateway, or send from a function outside the VPC",
		"`canceled, context deadline exceeded`, or `Task timed out` alone; a public subnet does not help a function, and no VPC endpoint reaches a WebSocket API"},
	ProblemEndpointCertificate: {"the management endpoint's certificate is not valid for its host",
		"point the custom domain's DNS record at its regional domain name (d-….execute-api.…)",
		"`x509: certificate is valid for *.execute-api.<region>.amazonaws.com, not ws.example.com`"},
	ProblemNotAPIGateway: {"what answers at the management endpoint is not API Gateway",
		"use the execute-api host, or the API's own custom domain without a proxy before it",
		"success without an effect: AWS's client takes a page with status 200 for an answer; 404 or 400 with `UnknownError` or `deserialization failed` from an emulator or a WebSocket server without a management API"},
	ProblemEndpointAnotherAPI: {"the gateway that answers at the management endpoint is another API's, as when two machines share a store and each has a gateway at the same localhost address",
		"send from the machine of that gateway, or give one of the gateways another port", ""},

	ProblemCredentialsMissing: {"there are no AWS credentials to sign with",
		"give the function a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		"403 `Missing Authentication Token`: AWS's client sends the request unsigned"},
	ProblemCredentialsInvalid: {"API Gateway does not accept these credentials",
		"renew them; a session's token expires",
		"403 `The security token included in the request is invalid` or `is expired`"},
	ProblemCredentialsAccount: {"the credentials belong to another account than the API",
		"assume a role in the API's account; a WebSocket API has no resource policy that could let others in",
		"403 `not authorized to perform: execute-api:ManageConnections`, with an account in the resource that is not that of the user"},
	ProblemSignatureMismatch: {"the signature does not match what API Gateway computed",
		"check the secret key, and that nothing between here and API Gateway changes the path or the body",
		"403 `The request signature we calculated does not match the signature you provided`"},
	ProblemClockSkew: {"the clock of this machine and that of API Gateway are too far apart",
		"set the clock: a signature is valid for about five minutes",
		"403 `Signature expired` or `Signature not yet current`"},
	ProblemSendDenied: {"these credentials may not use the management API",
		"allow execute-api:ManageConnections on arn:aws:execute-api:<region>:<account>:<api-id>/<stage>/*/@connections/*",
		"403 `not authorized to perform: execute-api:ManageConnections on resource: …`"},
	ProblemGetDenied: {"these credentials may not ask about connections (GET), so checks and sweeps of connections fail",
		"allow execute-api:ManageConnections on …/<stage>/*/@connections/* instead of …/POST/@connections/*",
		"403 `execute-api:ManageConnections on resource: …/GET/@connections/…`"},
	ProblemDeleteDenied: {"these credentials may not close connections (DELETE), so 'wirepost kick' and Publisher.Close fail",
		"allow execute-api:ManageConnections on …/<stage>/*/@connections/* instead of …/POST/@connections/*",
		"403 `execute-api:ManageConnections on resource: …/DELETE/@connections/…`"},
	ProblemPathNotSend: {"API Gateway did not recognise the path as a send: the path is wrong, not the policy",
		"use the execute-api host with the stage, or the custom domain without it",
		"403 that names `execute-api:Invoke`, or `No method found matching route …`"},
	ProblemForbidden: {"403 Forbidden, and nothing in the endpoint looks wrong",
		"run 'wirepost doctor --control-plane', which tells the candidates apart",
		"`StatusCode: 403, …, ForbiddenException: ` with nothing after the colon; the body says `{\"message\":\"Forbidden\"}`"},

	ProblemConnectionGone: {"the connection has ended, or its $connect has not returned yet",
		"remove its row if it is older than 30 s; during $connect, send from the first message instead",
		"410 `GoneException: `, with an empty body"},
	ProblemConnectionID: {"API Gateway never issued this connection ID",
		"use an ID from a $connect event, unescaped",
		"400 `Invalid connectionId: …`, as when a local ID is in a table shared with production"},
	ProblemMessageSize: {"the message is larger than 128 KB",
		"send a reference to it, or send it in parts",
		"413 `PayloadTooLargeException`"},
	ProblemMessageText: {"the message is not UTF-8, and a text frame of it makes browsers close with 1007",
		"encode it, for example as base64 in JSON", ""},
	ProblemThrottled: {"API Gateway answered 429 until the deadline: the account's rate is used up, or the client does not read",
		"send slower, or leave more time",
		"429 `LimitExceededException` or `TooManyRequestsException`"},
	ProblemServerError: {"API Gateway failed to answer (5xx); whether the message was delivered is not known",
		"send again if twice is better than never (AtLeastOnce)", ""},
	ProblemNoAnswer: {"the request was sent and no answer came; whether the message was delivered is not known",
		"send again if twice is better than never (AtLeastOnce)",
		"`canceled, context deadline exceeded`, or a connection reset: AWS's client repeats the post, and a client may get it three times"},
	ProblemDeadline: {"the deadline came before the post was sent",
		"leave more time, or go on from Result.Next", ""},
	ProblemUnexpected: {"API Gateway gave an answer that is not in its documentation",
		"look at the status and the body in the error", ""},
	ProblemStore: {"the store could not be read or written",
		"look at the error from the store", ""},
	ProblemEventMalformed: {"the event is not one of a WebSocket API",
		"connect the function to a WebSocket API with proxy integration", ""},

	ProblemAPIUnknown: {"there is no such API in this account and region",
		"list those that there are with: aws apigatewayv2 get-apis --region <region>",
		"`no such host`, or 403 `{\"message\":\"Forbidden\"}`"},
	ProblemStageUnknown: {"the API has no stage of this name",
		"use a stage that exists, in the endpoint and in the store",
		"403 `{\"message\":\"Forbidden\"}`"},
	ProblemAPIDisabled: {"the execute-api endpoint of the API is disabled, so only its custom domain answers",
		"set WIREPOST_ENDPOINT to the custom domain with its mapping key, or enable the execute-api endpoint",
		"403 `{\"message\":\"Forbidden\"}` from the execute-api host while the custom domain works"},
	ProblemStageNotDeployed: {"the stage has no deployment",
		"aws apigatewayv2 create-deployment --api-id <api-id> --stage-name <stage>",
		"403 `{\"message\":\"Forbidden\"}` although the stage exists"},
	ProblemDeploymentStale: {"the API was changed after its stage was deployed, and the stage does not deploy by itself",
		"aws apigatewayv2 create-deployment --api-id <api-id> --stage-name <stage>",
		"a new route is ignored, `Forbidden`, or `Internal server error` on the socket"},
	ProblemThrottleZero: {"the stage throttles at zero requests, so every client and every send gets 429",
		"set ThrottlingRateLimit and ThrottlingBurstLimit in the stage's default route settings: a block without them sets both to 0",
		"429 from the first request on"},
	ProblemDefaultRoute: {"the API has no $default route, so a message that fits no route is answered with the frame {\"message\":\"Forbidden\"}",
		"add a $default route",
		"a frame `{\"message\":\"Forbidden\",\"connectionId\":…,\"requestId\":…}` on the socket: it is about the route, not about IAM"},
	ProblemRouteResponse: {"a route that means to answer has no route response, so what its function returns never reaches the client",
		"aws apigatewayv2 create-route-response --api-id <api-id> --route-id <route-id> --route-response-key '$default', and deploy",
		"the function returns a body and the client gets nothing"},
	ProblemInvokePermission: {"API Gateway may not invoke the function of a route",
		"aws lambda add-permission --function-name <function> --statement-id wirepost --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn 'arn:aws:execute-api:<region>:<account>:<api-id>/*'",
		"500 on connect, or `Internal server error` on the socket for one route only"},
	ProblemLogRole: {"no CloudWatch Logs role is set for API Gateway in this account and region, so a stage's logging cannot be turned on",
		"create a role with the policy AmazonAPIGatewayPushToCloudWatchLogs and set it with: aws apigateway update-account",
		"`CloudWatch Logs role ARN must be set in account settings to enable logging`, when a stack is deployed"},
	ProblemMappingMissing: {"the custom domain has no mapping to this API and stage",
		"aws apigatewayv2 create-api-mapping --domain-name <domain> --api-id <api-id> --stage <stage>",
		"403 `{\"message\":\"Forbidden\"}` on connect and on sends"},
	ProblemConnectOpen: {"$connect has no authorizer",
		"add one, or check the token and the Origin header in the $connect function: browsers send no preflight for a WebSocket, so any site could open one", ""},
	ProblemStoreDeadAPI: {"connections in the store belong to an endpoint that does not answer",
		"run 'wirepost sweep', and name the API with --api if it will not come back",
		"part of every publish fails"},
	ProblemStoreSeveralAPIs: {"several APIs or stages share the store",
		"nothing, if that is meant: each connection is sent to through its own API",
		"a publish to everyone reaches the clients of another environment"},
	ProblemStoreOldRows: {"rows in the store are of connections older than two hours, which API Gateway has closed",
		"run 'wirepost sweep', and turn on the TTL of the table",
		"every publish has many gone"},
	ProblemPresenceUnswept: {"leases of presence are over, and nobody ends them",
		"run 'wirepost sweep --presence' every minute, as the schedule of the stacks does, or call Publisher.SweepPresence",
		"who has vanished is not announced as gone"},
	ProblemStoreHost: {"a stage record's endpoint is the host of another API",
		"remove it with 'wirepost sweep --api', and let a client connect",
		"410 or 403 for connections that are open"},
	ProblemStoreMoved: {"the endpoint in the store is another than the API's own",
		"connect one client: every event brings the store up to date",
		"403 or `no such host` since the API was created again or its domain has changed"},
	ProblemStoreTable: {"the table of the store is not as it should be",
		"run 'wirepost table check', which says what to do",
		"rows of connections that ended stay for good, because the table's TTL is off"},
	ProblemKeptAndNot: {"one program keeps the messages of a topic and another does not, so what the other publishes is not in the topic's log",
		"give WIREPOST_KEEP the same value in all functions and programs that publish, or set the same PublisherOptions.Keep in them; nothing, if a program's messages are not meant to be kept",
		"clients that were away get some of the messages that they missed, and are told of no gap"},
	ProblemFunctionTimeout: {"the function's timeout is shorter than a failed send takes",
		"set the function's timeout to 10 s or more",
		"`Task timed out after 3.00 seconds` and nothing else"},
	ProblemPoolSmall: {"AWS's client keeps fewer idle connections than it has posts in flight, so most posts open a connection of their own",
		"use sdkclient.New, or set MaxIdleConnsPerHost of the client's transport to the number of posts in flight",
		"a fan-out is several times slower than it could be"},
	ProblemLongUnset: {"a route has a long handler, and it is not known which function does its work",
		"set WIREPOST_LONG_FUNCTION to the ARN of that function with its alias; outside Lambda set MuxOptions.Later",
		"every question is answered `{\"type\":\"error\",\"code\":\"not-sent\"}`"},
	ProblemLongUnknown: {"the function that WIREPOST_LONG_FUNCTION names, or its alias, does not exist",
		"set it to the ARN of a function that exists, with an alias of it: aws lambda list-aliases --function-name <function>",
		"every question is answered `{\"type\":\"error\",\"code\":\"not-sent\"}`; Lambda answers the Invoke with 404 `ResourceNotFoundException`"},
	ProblemLongNoAlias: {"WIREPOST_LONG_FUNCTION names a function without its alias, so what is set for the alias does not count: its version, MaximumRetryAttempts and permissions",
		"append the alias, such as :live",
		"403 `not authorized to perform: lambda:InvokeFunction` for a role that may invoke the alias; or an answer that failed is made again a minute later"},
	ProblemLongDenied: {"the function of a route may not invoke the one that does its long work",
		"allow its role lambda:InvokeFunction on exactly what WIREPOST_LONG_FUNCTION names; without that variable, on itself",
		"every question is answered `{\"type\":\"error\",\"code\":\"not-sent\"}`; Lambda answers the Invoke with 403 `not authorized to perform: lambda:InvokeFunction`"},
	ProblemLongTimeout: {"the function that does long work has no more time than a route has",
		"set its Timeout to as long as an answer may take, 900 s at most",
		"answers end in the middle with `\"error\":\"timeout\"`, 2 s before the function's timeout; or with `\"error\":\"lost\"`, where the timeout ends the process"},
	ProblemLongRetried: {"Lambda has delivered work that was handed on a second time, and its stream has begun before",
		"set MaximumRetryAttempts to 0, and MaximumEventAgeInSeconds to 60, for the alias in WIREPOST_LONG_FUNCTION (aws lambda put-function-event-invoke-config)",
		"invocations of the long function that do nothing; without a log in the store, an answer that comes twice"},
	ProblemHandlerTooLong: {"a handler took longer than the 29 s that API Gateway waits for a route",
		"answer with a stream, by Mux.HandleLong, or hand the work on by a queue and answer at once",
		"a frame `{\"message\":\"Endpoint request timed out\",\"connectionId\":…,\"requestId\":…}` on the socket after 29 s, while the function goes on and its answer is dropped"},
	ProblemStreamNotKept: {"the store has no log, so a stream in it cannot be kept: nobody can resume or cancel it",
		"use a store of this module, or one that implements wirepost.Log; or leave StreamOptions.Keep out, if nobody has to come back",
		"`unknown-stream` after a reload, and a stop button that does nothing"},
	ProblemStreamUnknown: {"a client resumes or cancels a stream that is not in the store",
		"see that the function that writes it and the one that answers the client have the same store, and that the stream is kept (StreamOptions.Keep) for as long as clients come back",
		"`{\"type\":\"error\",\"code\":\"unknown-stream\"}`"},
	ProblemStreamLost: {"the writer of a stream has appended nothing for 15 s and no end: its process has died, or nobody has begun the work",
		"look for the end of that invocation in the function's log: its timeout, its memory, a crash; if it never began, look for throttles of the function and at MaximumEventAgeInSeconds",
		"`\"error\":\"lost\"` in the answer to a resume, after the beginning of the text"},
	ProblemStreamSlow: {"a reader of a stream is 256 KB behind the fastest one",
		"nothing, with a client that resumes; many of them at once are a network or a page that cannot take what is written: write less",
		"a piece with `\"error\":\"slow\"`"},
	ProblemStreamExpired: {"the token of a reader has ended in the middle of a stream",
		"connect with a new token, and resume: the clients of this project do both; give tokens more time if it happens often",
		"a piece with `\"error\":\"expired\"`, or `{\"type\":\"error\",\"code\":\"expired\"}` as the answer to a question"},
	ProblemStreamNotSent: {"the work of a message was not handed on, for certain: to ask again does no harm",
		"look at the error in the log of the route's function: most often the function is not found, not allowed or throttled, or the store cannot be written",
		"`{\"type\":\"error\",\"code\":\"not-sent\"}` as the answer to a question"},
	ProblemStreamInternal: {"the handler of a stream has failed, or it is not known whether its work was handed on",
		"look at the error in the log of the function that does the work; without one there, in that of the route's function",
		"a piece with `\"error\":\"internal\"`, or `{\"type\":\"error\",\"code\":\"internal\"}` as the answer to a question"},
	ProblemConnectFailed: {"a client cannot connect: the $connect function failed",
		"look at the log of the $connect function: it panicked, took too long, returned no statusCode, or may not be invoked",
		"`Unexpected server response: 502` or `500`"},
	ProblemConnectRefused: {"a client cannot connect: $connect, or its authorizer, refused it",
		"give the doctor what a client has to send: a token in the URL's query, or --header",
		"`Unexpected server response: 401` or `403`"},
	ProblemConnectThrottled: {"a client cannot connect: the handshake was answered with 429",
		"set the stage's throttling limits, which may be 0; else wait: 500 new connections a second are an account's limit",
		"`Unexpected server response: 429`"},
	ProblemSubprotocol: {"the client asked for a subprotocol and $connect returned none, so browsers close the connection",
		"return the header Sec-WebSocket-Protocol with one of those that the client offered (Accept.Subprotocol)",
		"close code 1006 in browsers, while wscat works"},
	ProblemMessageLost: {"a message was accepted (200) and the client did not receive it",
		"look for a proxy between the client and API Gateway, and whether the client's connection is the one that was sent to", ""},
	ProblemConnectionUnknown: {"a client connected, and its connection ID could not be learned",
		"see that the $connect function keeps its row (wirepost.Mux), and that the doctor reads the same store; a function that keeps its connections elsewhere cannot be followed further",
		"the client is connected and no publish reaches it"},
}

// candidates are the problems that a problem may be, in the order of their
// likelihood, where what was answered cannot tell.
var candidates = map[Problem][]Problem{
	ProblemForbidden: {ProblemStageNotDeployed, ProblemAPIDisabled, ProblemStageUnknown, ProblemDeploymentStale},
	ProblemNoAnswer:  {ProblemEndpointUnreachable, ProblemNoAnswer},
}

// notDelivered are the problems after which a message certainly did not reach its
// client: nothing was sent, or API Gateway refused what was.
var notDelivered = map[Problem]bool{
	ProblemEndpointUnset: true, ProblemEndpointScheme: true, ProblemEndpointHost: true, ProblemEndpointSuffix: true, ProblemEndpointPath: true,
	ProblemEndpointStageMissing: true, ProblemEndpointStageOnDomain: true, ProblemEndpointOverride: true, ProblemEndpointResolver: true,
	ProblemEndpointVariant: true, ProblemSigningRegion: true,

	ProblemEndpointUnresolved: true, ProblemEndpointPrivate: true, ProblemEndpointRefused: true, ProblemEndpointUnreachable: true,
	ProblemEndpointCertificate: true, ProblemEndpointAnotherAPI: true,

	ProblemCredentialsMissing: true, ProblemCredentialsInvalid: true, ProblemCredentialsAccount: true, ProblemSignatureMismatch: true,
	ProblemClockSkew: true, ProblemSendDenied: true, ProblemGetDenied: true, ProblemDeleteDenied: true, ProblemPathNotSend: true, ProblemForbidden: true,

	ProblemConnectionGone: true, ProblemConnectionID: true, ProblemMessageSize: true, ProblemMessageText: true, ProblemThrottled: true,
	ProblemDeadline: true, ProblemStore: true,
}
