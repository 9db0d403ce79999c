import java.io.File;
import java.io.InputStream;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;

import javax.xml.namespace.QName;
import javax.xml.soap.SOAPElement;
import javax.xml.soap.SOAPException;
import javax.xml.ws.Binding;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.Holder;
import javax.xml.ws.handler.MessageContext;
import javax.xml.ws.handler.soap.SOAPHandler;
import javax.xml.ws.handler.soap.SOAPMessageContext;
import javax.xml.ws.soap.SOAPFaultException;

import com.microsoft.schemas.exchange.services._2006.messages.*;
import com.microsoft.schemas.exchange.services._2006.types.*;

/**
 * Drives the stubs that the reference implementation of JAX-WS generates from
 * Exchange's service description. They write a header parameter that is null as
 * an element with xsi:nil. The task is the first argument, the description's file
 * the second; a failure is an exception.
 */
public class JaxWs {
    static final String T = "http://schemas.microsoft.com/exchange/services/2006/types";

    final ExchangeServicePortType port;
    final String mailbox;

    JaxWs(String wsdl, String mailbox) throws Exception {
        port = new ExchangeServices(new File(wsdl).toURI().toURL()).getExchangeServicePort();
        Map<String, Object> context = ((BindingProvider) port).getRequestContext();
        context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, System.getenv("EWS_URL"));
        context.put("com.sun.xml.ws.request.timeout", 200_000);
        this.mailbox = mailbox;
    }

    /** Removes header blocks that are nil from requests. No parameter does this. */
    void withoutNil() {
        Binding binding = ((BindingProvider) port).getBinding();
        binding.setHandlerChain(List.of(new SOAPHandler<SOAPMessageContext>() {
            @Override
            public boolean handleMessage(SOAPMessageContext context) {
                try {
                    if ((Boolean) context.get(MessageContext.MESSAGE_OUTBOUND_PROPERTY)) {
                        List<SOAPElement> nil = new ArrayList<>();
                        context.getMessage().getSOAPHeader().getChildElements().forEachRemaining(node -> {
                            if (node instanceof SOAPElement e && e.hasAttributeNS("http://www.w3.org/2001/XMLSchema-instance", "nil")) {
                                nil.add(e);
                            }
                        });
                        nil.forEach(SOAPElement::detachNode);
                    }
                } catch (SOAPException e) {
                    throw new IllegalStateException(e);
                }
                return true;
            }

            @Override
            public boolean handleFault(SOAPMessageContext context) {
                return true;
            }

            @Override
            public void close(MessageContext context) {
            }

            @Override
            public Set<QName> getHeaders() {
                return Set.of();
            }
        }));
    }

    static void control(String path) throws Exception {
        try (InputStream in = new URL(System.getenv("CONTROL_URL") + "/" + path).openStream()) {
            in.readAllBytes();
        }
    }

    ExchangeImpersonationType impersonation() {
        if (mailbox == null) {
            return null;
        }
        ConnectingSIDType sid = new ConnectingSIDType();
        sid.setPrimarySmtpAddress(primary());
        ExchangeImpersonationType impersonation = new ExchangeImpersonationType();
        impersonation.setConnectingSID(sid);
        return impersonation;
    }

    PrimarySmtpAddressType primary() {
        PrimarySmtpAddressType address = new PrimarySmtpAddressType();
        address.setValue(mailbox);
        return address;
    }

    static RequestServerVersion version() {
        RequestServerVersion version = new RequestServerVersion();
        version.setVersion(ExchangeVersionType.EXCHANGE_2013_SP_1);
        return version;
    }

    static DistinguishedFolderIdType inbox() {
        DistinguishedFolderIdType inbox = new DistinguishedFolderIdType();
        inbox.setId(DistinguishedFolderIdNameType.INBOX);
        return inbox;
    }

    void folder() {
        FolderResponseShapeType shape = new FolderResponseShapeType();
        shape.setBaseShape(DefaultShapeNamesType.DEFAULT);
        NonEmptyArrayOfBaseFolderIdsType ids = new NonEmptyArrayOfBaseFolderIdsType();
        ids.getFolderIdOrDistinguishedFolderId().add(inbox());
        GetFolderType request = new GetFolderType();
        request.setFolderShape(shape);
        request.setFolderIds(ids);
        Holder<GetFolderResponseType> response = new Holder<>();
        port.getFolder(request, impersonation(), null, version(), null, null, response, new Holder<>());
        ResponseMessageType message = response.value.getResponseMessages().getCreateItemResponseMessageOrDeleteItemResponseMessageOrGetItemResponseMessage().get(0).getValue();
        if (message.getResponseCode() == null || !message.getResponseCode().equals("NoError")) {
            throw new IllegalStateException("GetFolder: " + message.getResponseCode());
        }
        FolderInfoResponseMessageType info = (FolderInfoResponseMessageType) message;
        String name = info.getFolders().getFolderOrCalendarFolderOrContactsFolder().get(0).getDisplayName();
        if (!name.equals("Inbox")) {
            throw new IllegalStateException("another folder: " + name);
        }
    }

    void create(String subject, int size) {
        BodyType body = new BodyType();
        body.setBodyType(BodyTypeType.TEXT);
        body.setValue("x".repeat(size));
        MessageType message = new MessageType();
        message.setSubject(subject);
        message.setBody(body);
        NonEmptyArrayOfAllItemsType items = new NonEmptyArrayOfAllItemsType();
        items.getItemOrMessageOrCalendarItem().add(message);
        CreateItemType request = new CreateItemType();
        request.setMessageDisposition(MessageDispositionType.SAVE_ONLY);
        request.setItems(items);
        Holder<CreateItemResponseType> response = new Holder<>();
        port.createItem(request, impersonation(), null, version(), null, response, new Holder<>());
        ResponseMessageType created = response.value.getResponseMessages().getCreateItemResponseMessageOrDeleteItemResponseMessageOrGetItemResponseMessage().get(0).getValue();
        if (!created.getResponseCode().equals("NoError")) {
            throw new IllegalStateException("CreateItem: " + created.getResponseCode());
        }
    }

    static SOAPFaultException fault(String code, Callable<Void> call) throws Exception {
        try {
            call.call();
        } catch (SOAPFaultException fault) {
            if (!fault.getFault().getFaultCodeAsQName().equals(new QName(T, code))) {
                throw new IllegalStateException("another fault: " + fault.getFault().getFaultCode(), fault);
            }
            return fault;
        }
        throw new IllegalStateException("no fault");
    }

    public static void main(String[] args) throws Exception {
        String wsdl = args[1];
        JaxWs named = new JaxWs(wsdl, System.getenv("MAILBOX"));
        switch (args[0]) {
            case "mailbox named" -> {
                named.folder();
                named.create("by JAX-WS <&>", 100);
            }
            case "no mailbox named" -> {
                JaxWs anonymous = new JaxWs(wsdl, null);
                fault("ErrorSchemaValidation", () -> {
                    anonymous.folder(); // sends an impersonation that is nil
                    return null;
                });
                anonymous.withoutNil();
                anonymous.folder();
                anonymous.create("by default", 100);
            }
            case "mailbox not listed" -> {
                JaxWs other = new JaxWs(wsdl, "bob@contoso.com");
                fault("ErrorImpersonateUserDenied", () -> {
                    other.folder();
                    return null;
                });
            }
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
                    SOAPFaultException fault = fault("ErrorServerBusy", () -> {
                        named.folder();
                        return null;
                    });
                    if (!fault.getFault().getDetail().getTextContent().contains("ErrorServerBusy")) {
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
