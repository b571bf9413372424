import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.neo4j.cli.AdminTool;
import org.neo4j.cli.ExecutionContext;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.connectors.HttpConnector;
import org.neo4j.dbms.api.DatabaseManagementService;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/** Runs the server of one home folder until it is told to end (SIGTERM). */
public class Launch {
    private static final long GLANCE_MS = 50;
    private static DatabaseManagementService server;

    /**
     * The one argument is the home folder, with conf/neo4j.conf in it. A first line on standard input is taken as
     * the initial password: there it is seen by nobody, on a command line or in the environment it would be.
     *
     * While there is a file named hold in the home, the server is down (and a file named held says so), so that its
     * database can be replaced; the process stays, because one that has run for a while is up again much sooner.
     */
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]);
        Path hold = home.resolve("hold");
        Path held = home.resolve("held");
        setPassword(home);
        Runtime.getRuntime().addShutdownHook(new Thread(Launch::shutdown));
        while (true) {
            Files.deleteIfExists(held);
            build(home);
            while (!Files.exists(hold)) {
                Thread.sleep(GLANCE_MS);
            }
            shutdown();
            Files.createFile(held);
            while (Files.exists(hold)) {
                Thread.sleep(GLANCE_MS);
            }
        }
    }

    private static void setPassword(Path home) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String password = in.readLine();
        if (password != null && !password.isEmpty()) {
            ExecutionContext here = new ExecutionContext(home, home.resolve("conf"));
            int code = AdminTool.execute(here, "dbms", "set-initial-password", password);
            if (code != 0) {
                System.exit(code);
            }
        }
    }

    private static synchronized void build(Path home) {
        server = new DatabaseManagementServiceBuilder(home)
                .loadPropertiesFromFile(home.resolve("conf").resolve("neo4j.conf"))
                .setConfig(BoltConnector.enabled, true)
                .setConfig(HttpConnector.enabled, true)
                .build();
    }

    private static synchronized void shutdown() {
        if (server != null) {
            server.shutdown();
            server = null;
        }
    }
}
