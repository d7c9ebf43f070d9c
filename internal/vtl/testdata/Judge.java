import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.exception.ParseErrorException;

/** Renders templates with Velocity: each is a line with its length in bytes, and then itself. */
public class Judge {
    public static void main(String[] args) throws Exception {
        VelocityEngine engine = new VelocityEngine();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.setProperty("directive.foreach.maxloops", "1000");
        engine.init();
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "UTF-8");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            byte[] text = new byte[Integer.parseInt(line.trim())];
            in.readFully(text);
            String result;
            try {
                StringWriter w = new StringWriter();
                engine.evaluate(context(), w, "t", new String(text, StandardCharsets.UTF_8));
                result = "+" + w;
            } catch (ParseErrorException e) {
                result = "-" + e.getLineNumber() + " " + e.getColumnNumber() + " " + e.getMessage();
            } catch (Throwable e) {
                result = "-0 0 " + e;
            }
            byte[] answer = result.getBytes(StandardCharsets.UTF_8);
            out.println(answer.length);
            out.write(answer, 0, answer.length);
        }
        out.flush();
    }

    static VelocityContext context() {
        VelocityContext c = new VelocityContext();
        c.put("name", "World");
        c.put("empty", "");
        c.put("quote", "it's \"so\"");
        c.put("n", 7);
        c.put("zero", 0);
        c.put("big", 3000000000L);
        c.put("half", 1.5);
        c.put("yes", true);
        c.put("no", false);
        c.put("list", new ArrayList<Object>(Arrays.asList("a", "b", "c")));
        c.put("none", new ArrayList<Object>());
        c.put("nulls", new ArrayList<Object>(Arrays.asList("x", null, "z")));
        Map<String, Object> m = new LinkedHashMap<String, Object>();
        m.put("one", 1);
        m.put("two", "zwei");
        Map<String, Object> inner = new LinkedHashMap<String, Object>();
        inner.put("deep", Arrays.asList(1, 2, 3));
        m.put("inner", inner);
        m.put("nil", null);
        c.put("map", m);
        c.put("hollow", new LinkedHashMap<String, Object>());
        return c;
    }
}
