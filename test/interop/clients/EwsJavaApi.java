import java.net.URI;
import microsoft.exchange.webservices.data.autodiscover.exception.AutodiscoverLocalException;
import microsoft.exchange.webservices.data.core.ExchangeService;
import microsoft.exchange.webservices.data.core.enumeration.misc.ConnectingIdType;
import microsoft.exchange.webservices.data.core.enumeration.misc.ExchangeVersion;
import microsoft.exchange.webservices.data.core.enumeration.property.WellKnownFolderName;
import microsoft.exchange.webservices.data.core.service.folder.Folder;
import microsoft.exchange.webservices.data.credential.WebCredentials;
import microsoft.exchange.webservices.data.misc.ImpersonatedUserId;

/**
 * Drives ews-java-api with an address and no URL. The task is the first argument; a
 * failure is an exception.
 */
public class EwsJavaApi {
    static ExchangeService open(String mailbox) throws Exception {
        ExchangeService service = new ExchangeService(ExchangeVersion.Exchange2010_SP2);
        service.setCredentials(new WebCredentials(System.getenv("USERNAME"), System.getenv("PASSWORD")));
        service.setImpersonatedUserId(new ImpersonatedUserId(ConnectingIdType.SmtpAddress, mailbox));
        service.setTraceEnabled(System.getenv("TRACE") != null);
        service.autodiscoverUrl(mailbox, url -> false);
        return service;
    }

    static void found() throws Exception {
        try (ExchangeService service = open(System.getenv("MAILBOX"))) {
            if (!service.getUrl().equals(new URI("https://autodiscover.contoso.com/EWS/Exchange.asmx"))) {
                throw new IllegalStateException(service.getUrl().toString());
            }
            String name = Folder.bind(service, WellKnownFolderName.Inbox).getDisplayName();
            if (!name.equals("Inbox")) {
                throw new IllegalStateException(name);
            }
        }
    }

    static void refused() throws Exception {
        try (ExchangeService service = open("bob@contoso.com")) {
            throw new IllegalStateException("the mailbox was found at " + service.getUrl());
        } catch (AutodiscoverLocalException e) {
            System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
        }
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("refused")) {
            refused();
        } else {
            found();
        }
    }
}
