import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Authenticator;
import java.net.HttpURLConnection;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;

import org.apache.http.auth.AuthScope;
import org.apache.http.auth.NTCredentials;
import org.apache.http.client.config.RequestConfig;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.entity.ByteArrayEntity;
import org.apache.http.impl.client.BasicCredentialsProvider;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

/**
 * Sends requests with the three HTTP clients that Java software uses for EWS: the
 * old and the new client of the JDK, and Apache's, which ews-java-api uses. The task is the
 * first argument; a failure is an exception.
 */
public class Java {
    static final String URL = System.getenv("EWS_URL");
    static final String USER = System.getenv("USERNAME");
    static final String PASSWORD = System.getenv("PASSWORD");

    static byte[] envelope(String mailbox) {
        return ("<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\""
            + " xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\""
            + " xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><soap:Header>"
            + "<t:RequestServerVersion Version=\"Exchange2010_SP2\"></t:RequestServerVersion><t:ExchangeImpersonation><t:ConnectingSID>"
            + "<t:SmtpAddress>" + mailbox + "</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></soap:Header><soap:Body>"
            + "<m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape><m:FolderIds>"
            + "<t:DistinguishedFolderId Id=\"inbox\"></t:DistinguishedFolderId></m:FolderIds></m:GetFolder></soap:Body></soap:Envelope>")
            .getBytes(StandardCharsets.UTF_8);
    }

    static void must(int status, String text, int wantStatus, String want) {
        if (status != wantStatus || !text.contains(want)) {
            throw new IllegalStateException(status + " " + text);
        }
    }

    static void inbox(int status, String text) {
        must(status, text, 200, "<t:DisplayName>Inbox<");
    }

    /** java.net.HttpURLConnection. */
    static void old(boolean chunked, String mailbox, int status, String want) throws IOException {
        for (int i = 0; i < 3; i++) {
            HttpURLConnection c = (HttpURLConnection) new URL(URL).openConnection();
            c.setRequestMethod("POST");
            c.setDoOutput(true);
            c.setRequestProperty("Content-Type", "text/xml; charset=utf-8");
            byte[] body = envelope(mailbox);
            if (chunked) {
                c.setChunkedStreamingMode(16);
            }
            try (OutputStream out = c.getOutputStream()) {
                out.write(body);
            }
            InputStream in = c.getResponseCode() < 400 ? c.getInputStream() : c.getErrorStream();
            must(c.getResponseCode(), new String(in.readAllBytes(), StandardCharsets.UTF_8), status, want);
        }
    }

    /** java.net.http.HttpClient, which offers an upgrade to HTTP/2. */
    static void young() throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            HttpResponse<String> r = client.send(HttpRequest.newBuilder(URI.create(URL)).header("Content-Type", "text/xml; charset=utf-8")
                .POST(HttpRequest.BodyPublishers.ofByteArray(envelope(System.getenv("MAILBOX")))).build(), HttpResponse.BodyHandlers.ofString());
            inbox(r.statusCode(), r.body());
        }
    }

    /** Apache HttpClient as ews-java-api sets it up. */
    static void apache(boolean expect) throws Exception {
        BasicCredentialsProvider credentials = new BasicCredentialsProvider();
        credentials.setCredentials(AuthScope.ANY, new NTCredentials(USER, PASSWORD, "", ""));
        RequestConfig config = RequestConfig.custom().setAuthenticationEnabled(true).setExpectContinueEnabled(expect)
            .setTargetPreferredAuthSchemes(List.of("NTLM", "Basic")).build();
        try (CloseableHttpClient client = HttpClients.custom().setDefaultCredentialsProvider(credentials).setDefaultRequestConfig(config).build()) {
            for (int i = 0; i < 3; i++) {
                HttpPost post = new HttpPost(URL);
                post.setHeader("Content-Type", "text/xml; charset=utf-8");
                post.setHeader("Accept", "text/xml");
                post.setHeader("Keep-Alive", "300");
                post.setHeader("Connection", "Keep-Alive");
                post.setHeader("User-Agent", "ExchangeServicesClient/0.0.0.0");
                post.setEntity(new ByteArrayEntity(envelope(System.getenv("MAILBOX"))));
                try (CloseableHttpResponse r = client.execute(post)) {
                    inbox(r.getStatusLine().getStatusCode(), EntityUtils.toString(r.getEntity()));
                }
            }
        }
    }

    public static void main(String[] args) throws Exception {
        String mailbox = System.getenv("MAILBOX");
        Authenticator.setDefault(new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(USER, PASSWORD.toCharArray());
            }
        });
        switch (args[0]) {
            case "HttpURLConnection" -> old(false, mailbox, 200, "<t:DisplayName>Inbox<");
            case "HttpURLConnection, chunked" -> old(true, mailbox, 200, "<t:DisplayName>Inbox<");
            case "HttpURLConnection, mailbox not listed" -> old(false, "bob@contoso.com", 500, "ErrorImpersonateUserDenied");
            case "HttpClient" -> young();
            case "Apache HttpClient" -> apache(false);
            case "Apache HttpClient, Expect" -> apache(true);
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.exit(0);
    }
}
