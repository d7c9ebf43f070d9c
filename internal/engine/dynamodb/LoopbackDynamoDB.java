import java.io.InputStream;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * DynamoDB Local on 127.0.0.1. Its own main listens on every interface and has no flag
 * for that. This one prints the port that it has got, which is a free one unless the
 * property wirepost.port names one, and ends when its standard input does. If there is a token in the environment, it refuses requests without it.
 */
public final class LoopbackDynamoDB extends Handler.Wrapper {
  private final String token;

  private LoopbackDynamoDB(Handler inner, String token) {
    super(inner);
    this.token = token;
  }

  @Override
  public boolean handle(Request request, Response response, Callback callback) throws Exception {
    if (token == null || token.equals(request.getHeaders().get("Wirepost-Engine-Token"))) {
      return super.handle(request, response, callback);
    }
    Response.writeError(request, response, callback, 403);
    return true;
  }

  public static void main(String[] args) throws Exception {
    DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(args);
    Field field = DynamoDBProxyServer.class.getDeclaredField("server");
    field.setAccessible(true);
    Server server = (Server) field.get(local);
    ServerConnector connector = (ServerConnector) server.getConnectors()[0];
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.getInteger("wirepost.port", 0));
    server.setHandler(new LoopbackDynamoDB(server.getHandler(), System.getenv("WIREPOST_ENGINE_TOKEN")));
    local.safeStart(); // start() would also send a telemetry event
    System.out.println("listening on port " + connector.getLocalPort());
    InputStream in = System.in;
    while (in.read() >= 0) {}
    try {
      local.stop();
    } finally {
      Runtime.getRuntime().halt(0);
    }
  }
}
