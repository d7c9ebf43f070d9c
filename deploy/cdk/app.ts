// A WebSocket API with wirepost's ready-made function behind it, as a CDK app:
//
//	wirepost package --output function.zip github.com/wirepost/wirepost/cmd/wirepost-function
//	npm install
//	npm run deploy -- --parameters JwtJwksUrl=https://example.com/keys --parameters JwtIssuer=https://example.com --parameters JwtAudience=push
//
// The stack is named wirepost, or what the context value "name" says. The path of
// the zip is function.zip, or what the context value "package" says.

import { App } from "aws-cdk-lib";
import { PushStack } from "./stack";

const app = new App();
new PushStack(app, app.node.tryGetContext("name") ?? "wirepost", {
  package: app.node.tryGetContext("package") ?? "function.zip",
});
