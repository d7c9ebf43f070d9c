// As AWS's documentation shows it: the client is made of what the event says.
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from "@aws-sdk/client-apigatewaymanagementapi";

const clients = new Map();

export const handler = async (event) => {
  const { connectionId, domainName, stage, routeKey } = event.requestContext;
  if (routeKey !== "$default") return { statusCode: 200 };
  const endpoint = `https://${domainName}/${stage}`;
  if (!clients.has(endpoint)) clients.set(endpoint, new ApiGatewayManagementApiClient({ endpoint }));
  await clients.get(endpoint).send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: event.body }));
  return { statusCode: 200 };
};
