export const handler = async (event) => {
  const { authorizer } = event.requestContext;
  return { statusCode: 200, body: `${authorizer.principalId} ${authorizer.arn} ${process.env.AWS_REGION}` };
};
