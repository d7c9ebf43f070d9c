import { createPublicKey, verify } from 'node:crypto';

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url'));

// The claims of an ID token of the pool, as Cognito's documentation says how to check it.
async function claimsOf(token) {
  const [head, body, signature] = token.split('.');
  const { kid, alg } = decode(head);
  const { keys } = await (await fetch(process.env.KEYS)).json();
  const jwk = keys.find((key) => key.kid === kid);
  const claims = decode(body);
  const good =
    jwk && alg === 'RS256' &&
    verify('RSA-SHA256', Buffer.from(`${head}.${body}`), createPublicKey({ key: jwk, format: 'jwk' }), Buffer.from(signature, 'base64url'));
  if (!good || claims.iss !== process.env.ISSUER || claims.exp * 1000 < Date.now()) throw new Error('Unauthorized');
  return claims;
}

export const handler = async (event) => {
  const claims = await claimsOf(event.queryStringParameters.token);
  const Statement = [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: event.methodArn }];
  return { principalId: claims.sub, context: { arn: event.methodArn }, policyDocument: { Version: '2012-10-17', Statement } };
};
