import { Aws, CfnCondition, CfnOutput, CfnParameter, CfnResource, CfnRule, Fn, Stack, StackProps, Validations } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

export interface PushStackProps extends StackProps {
  /** The path of the zip that "wirepost package" makes. */
  readonly package: string;
}

/**
 * The stack of deploy/sam: the same resources under the same logical IDs, so that
 * one may take over from the other, and the same parameters and outputs. It is made
 * of the resources themselves and not of constructs that add to them: what a
 * construct grants by itself is more than is needed here. docs/operations.md says
 * what each limit and alarm is about.
 */
export class PushStack extends Stack {
  constructor(scope: Construct, id: string, props: PushStackProps) {
    super(scope, id, { description: "A WebSocket API whose clients any function can push to, by wirepost", ...props });

    Validations.of(this).acknowledge({
      id: "CloudFormation-Validate::W1030",
      reason: "AlarmTopicArn is used only under the condition that it is not empty",
    });

    // Parameters.
    const text = (name: string, description: string, rest: object = { default: "" }) =>
      new CfnParameter(this, name, { type: "String", description, ...rest }).valueAsString;
    const number = (name: string, description: string, rest: object) =>
      new CfnParameter(this, name, { type: "Number", description, ...rest }).valueAsNumber;

    const tableName = text("TableName", "Name of the table, as in dynamodb://TABLE?region=REGION", { default: "connections" });
    const stageName = text("StageName", "Name of the API's stage, the first segment of its paths", {
      default: "live",
      allowedPattern: "[A-Za-z0-9_-]{1,128}",
    });
    const architecture = text("Architecture", "What function.zip was built for; wirepost package --arch amd64 is x86_64", {
      default: "arm64",
      allowedValues: ["arm64", "x86_64"],
    });
    const memorySize = number("MemorySize", "Memory of each function in MB; a large fan-out is faster with more", {
      default: 256,
      minValue: 128,
      maxValue: 10240,
    });
    const throttleRate = number("ThrottleRate", "Connects and messages a second that each route takes; never 0, which refuses every client", {
      default: 1000,
      minValue: 1,
    });
    const throttleBurst = number("ThrottleBurst", "How many of them may come at once; never 0", { default: 500, minValue: 1 });
    const queueConcurrency = number("QueueConcurrency", "How many publishes of the queue run at the same time", {
      default: 5,
      minValue: 2,
      maxValue: 1000,
    });
    const allowOrigin = text("AllowOrigin", "Origins whose pages may connect, with commas between them, such as https://example.com; empty is all, with a token");
    const jwksUrl = text("JwtJwksUrl", "The https URL of the key set that tokens are verified with; or give JwtKey");
    const jwtKey = text("JwtKey", "The one key of tokens: a PEM block with a public key, or hmac: and a base64 secret of at least 32 bytes", { default: "", noEcho: true });
    const jwtIssuer = text("JwtIssuer", "What a token's iss must be");
    const jwtAudience = text("JwtAudience", "What a token's aud must be, or have among others");
    const jwtClaim = text("JwtClaim", "The claim that says what a connection may do; empty is wirepost");
    const keep = text("Keep", "For how long messages to topics are kept, such as lobby=24h,orders/*=10m; empty keeps what a publish says");
    const logLevel = text("LogLevel", "What the functions log", {
      default: "info",
      allowedValues: ["debug", "info", "warn", "error"],
    });
    const logDays = number("LogDays", "Days that the functions' logs are kept", {
      default: 30,
      allowedValues: ["1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1827", "3653"],
    });
    const accessLogArn = text(
      "AccessLogArn",
      "ARN of a log group for the API's access log; needs a CloudWatch role in the account's API Gateway settings",
    );
    const alarmTopicArn = text("AlarmTopicArn", "ARN of an SNS topic that is told of alarms");

    // The function refuses to start without: nobody could connect.
    const isEmpty = (value: string) => Fn.conditionEquals(value, "");
    new CfnRule(this, "Tokens", {
      assertions: [
        {
          assert: Fn.conditionOr(Fn.conditionNot(isEmpty(jwksUrl)), Fn.conditionNot(isEmpty(jwtKey))),
          assertDescription: "Tokens need JwtJwksUrl or JwtKey",
        },
        {
          assert: Fn.conditionOr(isEmpty(jwksUrl), isEmpty(jwtKey)),
          assertDescription: "Tokens need JwtJwksUrl or JwtKey, not both",
        },
        {
          assert: Fn.conditionAnd(Fn.conditionNot(isEmpty(jwtIssuer)), Fn.conditionNot(isEmpty(jwtAudience))),
          assertDescription: "Tokens need JwtIssuer and JwtAudience",
        },
      ],
    });

    const hasAccessLog = new CfnCondition(this, "HasAccessLog", { expression: Fn.conditionNot(isEmpty(accessLogArn)) });
    const hasAlarmTopic = new CfnCondition(this, "HasAlarmTopic", { expression: Fn.conditionNot(isEmpty(alarmTopicArn)) });

    // The store of connections, as 'wirepost table create' makes it. Deleting it
    // loses who is connected, until clients connect again.
    const table = new dynamodb.CfnTable(this, "Table", {
      tableName,
      billingMode: "PAY_PER_REQUEST",
      attributeDefinitions: [
        { attributeName: "p", attributeType: "S" },
        { attributeName: "s", attributeType: "S" },
      ],
      keySchema: [
        { attributeName: "p", keyType: "HASH" },
        { attributeName: "s", keyType: "RANGE" },
      ],
      timeToLiveSpecification: { attributeName: "x", enabled: true },
    });
    const store = `dynamodb://${table.ref}?region=${Aws.REGION}`;

    // Publishes that take long: each message is one, and so is what is left of one
    // that ran out of time. After five failures a message is in the dead-letter queue.
    const deadLetterQueue = new sqs.CfnQueue(this, "DeadLetterQueue", {
      queueName: `${Aws.STACK_NAME}-publish-dead`,
      messageRetentionPeriod: 1209600,
      sqsManagedSseEnabled: true,
    });
    const queue = new sqs.CfnQueue(this, "Queue", {
      queueName: `${Aws.STACK_NAME}-publish`,
      visibilityTimeout: 360, // six times the function's timeout, as AWS advises
      sqsManagedSseEnabled: true,
      redrivePolicy: { deadLetterTargetArn: deadLetterQueue.attrArn, maxReceiveCount: 5 },
    });

    const api = new apigateway.CfnApi(this, "Api", {
      name: Aws.STACK_NAME,
      protocolType: "WEBSOCKET",
      routeSelectionExpression: "$request.body.action",
    });
    const stageArn = `arn:${Aws.PARTITION}:execute-api:${Aws.REGION}:${Aws.ACCOUNT_ID}:${api.ref}/${stageName}`;

    // What a function does with the table, and no more. 'wirepost table' and
    // 'wirepost sweep' are for people: they create, describe and scan.
    const tablePolicy = new iam.CfnManagedPolicy(this, "TablePolicy", {
      description: "Use of a wirepost table by functions",
      policyDocument: allow({
        actions: [
          "dynamodb:BatchWriteItem",
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:UpdateItem",
        ],
        resource: table.attrArn,
      }),
    });

    // Posting to, asking about and closing the connections of this API's stage:
    // POST, GET and DELETE are the methods that there are. A function of yours that
    // publishes needs this policy and the table's.
    const connectionsPolicy = new iam.CfnManagedPolicy(this, "ConnectionsPolicy", {
      description: "Use of the connections of a WebSocket API by functions",
      policyDocument: allow({ actions: ["execute-api:ManageConnections"], resource: `${stageArn}/*/@connections/*` }),
    });

    // Three functions of one zip, each limited to its job. None is told the
    // management endpoint: they learn it from the API's events.
    const zip = new Asset(this, "Package", { path: props.package });
    const functionOf = (
      name: string,
      suffix: string,
      description: string,
      timeout: number,
      queueActions: string[],
      environment: Record<string, string>,
    ) => {
      const logGroup = new logs.CfnLogGroup(this, `${name}LogGroup`, {
        logGroupName: `/aws/lambda/${Aws.STACK_NAME}-${suffix}`,
        retentionInDays: logDays,
      });
      const role = new iam.CfnRole(this, `${name}Role`, {
        assumeRolePolicyDocument: {
          Version: "2012-10-17",
          Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
        },
        managedPolicyArns: [tablePolicy.ref, connectionsPolicy.ref],
        policies: [
          {
            policyName: "own",
            policyDocument: allow(
              { actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resource: logGroup.attrArn },
              { actions: queueActions, resource: queue.attrArn },
            ),
          },
        ],
      });
      return new lambda.CfnFunction(this, `${name}Function`, {
        functionName: `${Aws.STACK_NAME}-${suffix}`,
        description,
        runtime: "provided.al2023",
        handler: "bootstrap",
        code: { s3Bucket: zip.s3BucketName, s3Key: zip.s3ObjectKey },
        architectures: [architecture],
        memorySize,
        timeout,
        role: role.attrArn,
        loggingConfig: { logGroup: logGroup.ref, logFormat: "Text" },
        environment: {
          variables: {
            ...environment,
            WIREPOST_STORE: store,
            WIREPOST_QUEUE_URL: queue.ref,
            WIREPOST_KEEP: keep,
            WIREPOST_LOG_LEVEL: logLevel,
          },
        },
      });
    };
    const webSocketFunction = functionOf("WebSocket", "websocket", "Events of the WebSocket API", 29, ["sqs:SendMessage"], {
      WIREPOST_HANDLERS: "websocket",
      WIREPOST_ALLOW_ORIGIN: allowOrigin,
      WIREPOST_JWT_JWKS_URL: jwksUrl,
      WIREPOST_JWT_KEY: jwtKey,
      WIREPOST_JWT_ISSUER: jwtIssuer,
      WIREPOST_JWT_AUDIENCE: jwtAudience,
      WIREPOST_JWT_CLAIM: jwtClaim,
    });
    const publishFunction = functionOf("Publish", "publish", "Publishes what it is invoked with", 60, ["sqs:SendMessage"], {
      WIREPOST_HANDLERS: "invoke,sns,eventbridge,doctor",
      WIREPOST_DOCTOR: "1",
    });
    const queueFunction = functionOf(
      "Queue",
      "queue",
      "Publishes what is in the queue",
      60,
      ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"],
      { WIREPOST_HANDLERS: "sqs" },
    );
    new lambda.CfnEventSourceMapping(this, "QueueSource", {
      functionName: queueFunction.ref,
      eventSourceArn: queue.attrArn,
      batchSize: 10,
      functionResponseTypes: ["ReportBatchItemFailures"],
      scalingConfig: { maximumConcurrency: queueConcurrency },
    });

    // Routes whose events go to the function. The last four are the client's frames:
    // the function's answer to each goes back to the client, for which a route needs
    // a route response.
    const integration = new apigateway.CfnIntegration(this, "WebSocketIntegration", {
      apiId: api.ref,
      integrationType: "AWS_PROXY",
      integrationMethod: "POST",
      integrationUri: `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:lambda:path/2015-03-31/functions/${webSocketFunction.attrArn}/invocations`,
    });
    const deployed: CfnResource[] = [];
    const route = (name: string, key: string, target: apigateway.CfnIntegration, twoWay: boolean) => {
      const made = new apigateway.CfnRoute(this, `${name}Route`, {
        apiId: api.ref,
        routeKey: key,
        routeResponseSelectionExpression: twoWay ? "$default" : undefined,
        target: `integrations/${target.ref}`,
      });
      deployed.push(made);
      if (twoWay) {
        deployed.push(
          new apigateway.CfnRouteResponse(this, `${name}RouteResponse`, {
            apiId: api.ref,
            routeId: made.ref,
            routeResponseKey: "$default",
          }),
        );
      }
    };
    for (const [name, key, twoWay] of [
      ["Connect", "$connect", false],
      ["Disconnect", "$disconnect", false],
      ["Subscribe", "subscribe", true],
      ["Unsubscribe", "unsubscribe", true],
      ["Send", "send", true],
      ["Default", "$default", true],
    ] as const) {
      route(name, key, integration, twoWay);
      // One for each, on this stage alone.
      new lambda.CfnPermission(this, `${name}Permission`, {
        functionName: webSocketFunction.ref,
        action: "lambda:InvokeFunction",
        principal: "apigateway.amazonaws.com",
        sourceArn: `${stageArn}/${key}`,
      });
    }

    // A client's ping keeps its connection from being idle. API Gateway answers it
    // by itself: two-way, and no function is invoked.
    const ping = new apigateway.CfnIntegration(this, "PingIntegration", {
      apiId: api.ref,
      integrationType: "MOCK",
      templateSelectionExpression: "\\$default",
      requestTemplates: { $default: JSON.stringify({ statusCode: 200 }) },
    });
    route("Ping", "ping", ping, true);
    deployed.push(
      new apigateway.CfnIntegrationResponse(this, "PingIntegrationResponse", {
        apiId: api.ref,
        integrationId: ping.ref,
        integrationResponseKey: "$default",
        templateSelectionExpression: "\\$default",
        responseTemplates: { $default: JSON.stringify({ type: "pong" }) },
      }),
    );

    // It is deployed again whenever a route changes. Both limits are always there: a
    // stage with route settings but without them refuses every client with 429.
    const stage = new apigateway.CfnStage(this, "Stage", {
      apiId: api.ref,
      stageName,
      autoDeploy: true,
      defaultRouteSettings: { throttlingRateLimit: throttleRate, throttlingBurstLimit: throttleBurst },
      accessLogSettings: Fn.conditionIf(
        hasAccessLog.logicalId,
        {
          DestinationArn: accessLogArn,
          Format: JSON.stringify({
            connectionId: "$context.connectionId",
            error: "$context.error.message",
            event: "$context.eventType",
            integrationError: "$context.integrationErrorMessage",
            requestId: "$context.requestId",
            route: "$context.routeKey",
            status: "$context.status",
            time: "$context.requestTime",
          }),
        },
        Aws.NO_VALUE,
      ),
    });
    deployed.forEach((resource) => stage.addResourceDependency(resource));

    // Alarms.
    const alarm = (
      name: string,
      suffix: string,
      alarmDescription: string,
      namespace: string,
      metricName: string,
      dimensions: Record<string, string>,
      statistic = "Sum",
      threshold = 0,
    ) =>
      new cloudwatch.CfnAlarm(this, `${name}Alarm`, {
        alarmName: `${Aws.STACK_NAME}-${suffix}`,
        alarmDescription,
        namespace,
        metricName,
        dimensions: Object.entries(dimensions).map(([name, value]) => ({ name, value })),
        statistic,
        period: 300,
        evaluationPeriods: 1,
        threshold,
        comparisonOperator: "GreaterThanThreshold",
        treatMissingData: "notBreaching",
        alarmActions: Fn.conditionIf(hasAlarmTopic.logicalId, [alarmTopicArn], Aws.NO_VALUE) as unknown as string[],
      });
    alarm("WebSocketErrors", "websocket-errors", "Clients cannot connect, or their messages are lost", "AWS/Lambda", "Errors", {
      FunctionName: webSocketFunction.ref,
    });
    alarm("PublishErrors", "publish-errors", "Publishes fail, or what they were invoked with is wrong", "AWS/Lambda", "Errors", {
      FunctionName: publishFunction.ref,
    });
    alarm("QueueErrors", "queue-errors", "The function of the queue fails as a whole", "AWS/Lambda", "Errors", {
      FunctionName: queueFunction.ref,
    });
    alarm(
      "WebSocketThrottles",
      "websocket-throttles",
      "The account's Lambda concurrency is used up, and clients are refused",
      "AWS/Lambda",
      "Throttles",
      { FunctionName: webSocketFunction.ref },
    );
    alarm("IntegrationErrors", "integration-errors", "The API gets no usable answer from the function", "AWS/ApiGateway", "IntegrationError", {
      ApiId: api.ref,
      Stage: stageName,
    });
    alarm(
      "DeadLetters",
      "dead-letters",
      "A publish has failed five times and waits in the dead-letter queue",
      "AWS/SQS",
      "ApproximateNumberOfMessagesVisible",
      { QueueName: deadLetterQueue.attrQueueName },
      "Maximum",
    );
    alarm(
      "QueueAge",
      "queue-age",
      "Publishes wait in the queue for more than five minutes",
      "AWS/SQS",
      "ApproximateAgeOfOldestMessage",
      { QueueName: queue.attrQueueName },
      "Maximum",
      300,
    );
    alarm("TableReads", "table-reads", "DynamoDB throttles reads of the table", "AWS/DynamoDB", "ReadThrottleEvents", {
      TableName: table.ref,
    });
    alarm("TableWrites", "table-writes", "DynamoDB throttles writes to the table", "AWS/DynamoDB", "WriteThrottleEvents", {
      TableName: table.ref,
    });

    // Outputs. An output has a name of its own beside the resource's.
    const output = (name: string, value: string, description?: string) =>
      new CfnOutput(this, `${name}Output`, { value, description }).overrideLogicalId(name);
    const address = `${api.ref}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}/${stageName}`;
    output("ConnectUrl", `wss://${address}`, "Where clients connect");
    output("Endpoint", `https://${address}`, "The management endpoint, which functions learn by themselves");
    output("ApiId", api.ref);
    output("PublishFunction", publishFunction.ref, "Name of the function that publishes what it is invoked with");
    output("QueueUrl", queue.ref, "Where messages go that are to be published by and by");
    output("QueueArn", queue.attrArn);
    output("DeadLetterQueueUrl", deadLetterQueue.ref, "Where messages are that failed five times");
    output("TableName", table.ref);
    output("TableArn", table.attrArn);
    output("Store", store, "WIREPOST_STORE of functions");
    output("TablePolicy", tablePolicy.ref, "ARN of the policy for functions that use the table");
    output("ConnectionsPolicy", connectionsPolicy.ref, "ARN of the policy for functions that publish");
  }
}

/** A policy that allows actions on one resource each. */
function allow(...statements: { actions: string[]; resource: string }[]): object {
  return {
    Version: "2012-10-17",
    Statement: statements.map(({ actions, resource }) => ({ Effect: "Allow", Action: actions, Resource: resource })),
  };
}
