import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * DynamoDB Local in memory, on a free port of loopback, until its standard input ends.
 *
 * <p>Its own program listens on every interface, has no option for that, and outlives whoever
 * started it.
 */
public class ServeOnLoopback {
  public static void main(String[] arguments) throws Exception {
    String[] options = {"-inMemory", "-sharedDb", "-disableTelemetry"};
    DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(options);
    Field server = DynamoDBProxyServer.class.getDeclaredField("server");
    server.setAccessible(true);
    ServerConnector connector = (ServerConnector) ((Server) server.get(local)).getConnectors()[0];
    connector.setHost("127.0.0.1");
    connector.setPort(0);
    local.start();
    System.out.println("port " + connector.getLocalPort());
    while (System.in.read() != -1) {}
    System.exit(0);
  }
}
