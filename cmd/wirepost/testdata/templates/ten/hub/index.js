exports.handler = async (event) => {
  const { routeKey, connectionId } = event.requestContext;
  if (!event.body) {
    console.log(`${routeKey} of ${connectionId}`);
    return { statusCode: 200 };
  }
  return { statusCode: 200, body: `${routeKey} ${event.body}` };
};
