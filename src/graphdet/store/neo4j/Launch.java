import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.neo4j.cli.AdminTool;
import org.neo4j.cli.ExecutionContext;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.connectors.HttpConnector;
import org.neo4j.dbms.api.DatabaseManagementService;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/** Runs the server of one home folder until it is told to end (SIGTERM). */
public class Launch {
    /**
     * The one argument is the home folder, with conf/neo4j.conf in it. A first line on standard input is taken as
     * the initial password: there it is seen by nobody, on a command line or in the environment it would be.
     */
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]);
        Path conf = home.resolve("conf");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String password = in.readLine();
        if (password != null && !password.isEmpty()) {
            ExecutionContext here = new ExecutionContext(home, conf);
            int code = AdminTool.execute(here, "dbms", "set-initial-password", password);
            if (code != 0) {
                System.exit(code);
            }
        }
        DatabaseManagementService server = new DatabaseManagementServiceBuilder(home)
                .loadPropertiesFromFile(conf.resolve("neo4j.conf"))
                .setConfig(BoltConnector.enabled, true)
                .setConfig(HttpConnector.enabled, true)
                .build();
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdown));
        Thread.currentThread().join();
    }
}
