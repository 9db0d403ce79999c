import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Looks for Exchange as ews-java-api does: a GET for the header X-SOAP-Enabled, then
 * SOAP. The task is the first argument; a failure is an exception.
 */
public class Autodiscover {
    static final String HOST = "https://autodiscover.contoso.com";

    static String post(String url, String body) throws Exception {
        HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
        c.setRequestMethod("POST");
        c.setDoOutput(true);
        c.setRequestProperty("Content-Type", "text/xml; charset=utf-8");
        c.setRequestProperty("Accept", "text/xml");
        try (OutputStream out = c.getOutputStream()) {
            out.write(body.getBytes(StandardCharsets.UTF_8));
        }
        try (InputStream in = c.getResponseCode() < 400 ? c.getInputStream() : c.getErrorStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    static String discover(String mailbox) throws Exception {
        HttpURLConnection probe = (HttpURLConnection) new URL(HOST + "/autodiscover/autodiscover.xml").openConnection();
        probe.setInstanceFollowRedirects(false);
        if (!"True".equals(probe.getHeaderField("X-SOAP-Enabled"))) {
            throw new IllegalStateException("no X-SOAP-Enabled: " + probe.getResponseCode());
        }
        String a = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
        return post(HOST + "/autodiscover/autodiscover.svc", "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
            + "<soap:Envelope xmlns:a=\"" + a + "\" xmlns:wsa=\"http://www.w3.org/2005/08/addressing\" xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header>"
            + "<a:RequestedServerVersion>Exchange2010_SP1</a:RequestedServerVersion><wsa:Action>" + a + "/Autodiscover/GetUserSettings</wsa:Action></soap:Header><soap:Body>"
            + "<a:GetUserSettingsRequestMessage><a:Request><a:Users><a:User><a:Mailbox>" + mailbox + "</a:Mailbox></a:User></a:Users><a:RequestedSettings>"
            + "<a:Setting>InternalEwsUrl</a:Setting><a:Setting>ExternalEwsUrl</a:Setting></a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage>"
            + "</soap:Body></soap:Envelope>");
    }

    static String inbox(String url, String mailbox) throws Exception {
        return post(url, "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\""
            + " xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><soap:Header>"
            + "<t:RequestServerVersion Version=\"Exchange2010_SP2\"></t:RequestServerVersion><t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>" + mailbox
            + "</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></soap:Header><soap:Body><m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape>"
            + "</m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"></t:DistinguishedFolderId></m:FolderIds></m:GetFolder></soap:Body></soap:Envelope>");
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("refused")) {
            String text = discover("bob@contoso.com");
            if (!text.contains("<ErrorCode>InvalidUser</ErrorCode>") || text.contains("EwsUrl")) {
                throw new IllegalStateException(text);
            }
            return;
        }
        String mailbox = System.getenv("MAILBOX");
        String found = discover(mailbox);
        Matcher m = Pattern.compile("<Name>ExternalEwsUrl</Name><Value>([^<]*)</Value>").matcher(found);
        if (!m.find() || !m.group(1).equals(HOST + "/EWS/Exchange.asmx")) {
            throw new IllegalStateException(found);
        }
        String text = inbox(m.group(1), mailbox);
        if (!text.contains("<t:DisplayName>Inbox<")) {
            throw new IllegalStateException(text);
        }
    }
}
