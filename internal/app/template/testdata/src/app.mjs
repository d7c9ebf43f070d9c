export const enter = async () => ({statusCode: 200});
