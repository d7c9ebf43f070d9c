// Package serverless reads serverless.yml and its variables, and writes out the
// CloudFormation that the Serverless Framework would deploy: resources of the same
// types under the same logical IDs, so that the service's own resources can refer
// to them. It does not know what is made of that document.
//
// Nothing is executed and no network is asked. No file is read except .env files, and
// those that ${file()} names below the template's directory: 64 at most, of 8 MiB
// together.
//
// # What is understood
//
//   - websocket events with authorizers and route responses; the provider's
//     settings; layers; packages; images; resources. Sections may be lists of files.
//   - The events sqs, stream, sns, schedule, eventBridge, cloudwatchEvent, httpApi and
//     http, and the key url of functions. Any other event is a source that says why it
//     does not work here.
//   - What bundles the functions: serverless-esbuild, serverless-webpack,
//     serverless-plugin-typescript and what Serverless 4 has itself. It becomes Metadata
//     of the functions, in the shape that SAM has for it.
//   - .env files, with useDotenv or in version 4.
//   - The variables self, opt, env, file, param, sls, aws and strToBool, one within
//     another and with fallbacks.
//
// # What is not
//
// Other plugins, extensions of resources, programs behind
// ${file()}, and what only AWS has, such as ssm: and cf:, unless Options.Values has it.
// Each is a note, or an error if there would be no API without it. keys.txt has a row
// for each key, which the notes about keys follow.
//
// What is known of the framework is from its public documentation. UNCERTAIN: params
// of stages in serverless.yml of version 4, which of its .env files come first, and
// which functions it bundles without build.esbuild; and the logical IDs of its
// deployments and of rules for the events eventBridge and cloudwatchEvent.
package serverless
