// Posts, gets and deletes with the JavaScript SDK, and prints as JSON what it saw.
//
// usage: node management.mjs ENDPOINT CONNECTION-ID FILE FOLDER-OF-NODE_MODULES
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [endpoint, ConnectionId, path, folder] = process.argv.slice(2);
// An import would look for the SDK beside this file only.
const require = createRequire(folder + '/');
const sdk = '@aws-sdk/client-apigatewaymanagementapi';
const {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
  GetConnectionCommand,
  DeleteConnectionCommand,
  GoneException,
} = require(sdk);

const client = new ApiGatewayManagementApiClient({ endpoint });
const Data = readFileSync(path);
const status = (answer) => answer.$metadata.httpStatusCode;

const saw = {};
saw.post = status(await client.send(new PostToConnectionCommand({ ConnectionId, Data })));
const got = await client.send(new GetConnectionCommand({ ConnectionId }));
saw.get = status(got);
saw.sourceIp = got.Identity.SourceIp;
saw.connectedAt = got.ConnectedAt.getTime();
saw.delete = status(await client.send(new DeleteConnectionCommand({ ConnectionId })));
try {
  await client.send(new PostToConnectionCommand({ ConnectionId, Data }));
} catch (error) {
  saw.gone = error.name;
  saw.goneStatus = status(error);
  saw.goneType = error instanceof GoneException;
}
console.log(JSON.stringify(saw));
