import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Vector;
import java.util.concurrent.Callable;

import org.apache.axis.AxisFault;
import org.apache.axis.client.Call;
import org.apache.axis.client.Service;
import org.apache.axis.message.SOAPBodyElement;
import org.apache.axis.message.SOAPHeaderElement;
import org.apache.axis.utils.XMLUtils;
import org.w3c.dom.Element;

/**
 * Drives Apache Axis 1.4, which writes an actor and mustUnderstand on every
 * header block. The task is the first argument; a failure is an exception.
 */
public class Axis {
    static final String M = "http://schemas.microsoft.com/exchange/services/2006/messages";
    static final String T = "http://schemas.microsoft.com/exchange/services/2006/types";

    final String mailbox;

    Axis(String mailbox) {
        this.mailbox = mailbox;
    }

    static Element element(String xml) throws Exception {
        return XMLUtils.newDocument(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8))).getDocumentElement();
    }

    static void control(String path) throws Exception {
        try (InputStream in = new URL(System.getenv("CONTROL_URL") + "/" + path).openStream()) {
            in.readAllBytes();
        }
    }

    /** Sends an operation and returns the text of the response. */
    String call(String operation, String body) throws Exception {
        Call call = (Call) new Service().createCall();
        call.setTargetEndpointAddress(new URL(System.getenv("EWS_URL")));
        call.setSOAPActionURI(M + "/" + operation);
        call.setTimeout(200_000);
        call.addHeader(new SOAPHeaderElement(element("<t:RequestServerVersion xmlns:t=\"" + T + "\" Version=\"Exchange2010_SP2\"/>")));
        if (mailbox != null) {
            SOAPHeaderElement impersonation = new SOAPHeaderElement(T, "ExchangeImpersonation");
            impersonation.addChildElement("ConnectingSID", "t", T).addChildElement("PrimarySmtpAddress", "t", T).addTextNode(mailbox);
            call.addHeader(impersonation);
        }
        Vector<?> response = (Vector<?>) call.invoke(new Object[] {
            new SOAPBodyElement(element("<m:" + operation + " xmlns:m=\"" + M + "\" xmlns:t=\"" + T + "\"" + body + "</m:" + operation + ">"))});
        String text = response.get(0).toString();
        String sent = call.getMessageContext().getRequestMessage().getSOAPPartAsString();
        if (!sent.contains("soapenv:actor=") || !sent.contains("soapenv:mustUnderstand=\"0\"")) {
            throw new IllegalStateException("this Axis writes no actor and mustUnderstand: " + sent);
        }
        if (!text.contains("NoError")) {
            throw new IllegalStateException(text);
        }
        return text;
    }

    void folder() throws Exception {
        String text = call("GetFolder", "><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>"
            + "<t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds>");
        if (!text.contains("Inbox</")) {
            throw new IllegalStateException(text);
        }
    }

    void create(String subject, int size) throws Exception {
        call("CreateItem", " MessageDisposition=\"SaveOnly\"><m:Items><t:Message><t:Subject>" + subject + "</t:Subject><t:Body BodyType=\"Text\">"
            + "x".repeat(size) + "</t:Body></t:Message></m:Items>");
    }

    static AxisFault fault(String code, Callable<Void> call) throws Exception {
        try {
            call.call();
        } catch (AxisFault fault) {
            if (!fault.getFaultCode().equals(new javax.xml.namespace.QName(T, code))) {
                throw new IllegalStateException("another fault: " + fault.getFaultCode(), fault);
            }
            return fault;
        }
        throw new IllegalStateException("no fault");
    }

    public static void main(String[] args) throws Exception {
        Axis named = new Axis(System.getenv("MAILBOX"));
        switch (args[0]) {
            case "mailbox named" -> {
                named.folder();
                named.create("by Axis &lt;&amp;&gt;", 100);
            }
            case "no mailbox named" -> {
                new Axis(null).folder();
                new Axis(null).create("by default", 100);
            }
            case "mailbox not listed" -> fault("ErrorImpersonateUserDenied", () -> {
                new Axis("bob@contoso.com").folder();
                return null;
            });
            case "token revoked" -> {
                for (int i = 1; i <= 3; i++) {
                    named.folder();
                    control("revoke");
                    named.create("message " + i, i * 200_000);
                }
            }
            case "busy" -> {
                control("busy?times=2&milliseconds=1500");
                for (int i = 0; i < 2; i++) {
                    AxisFault fault = fault("ErrorServerBusy", () -> {
                        named.folder();
                        return null;
                    });
                    if (!XMLUtils.ElementToString(fault.getFaultDetails()[0]).contains("ErrorServerBusy")) {
                        throw new IllegalStateException("no ResponseCode");
                    }
                }
                named.folder();
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.exit(0);
    }
}
