// Drives the EWS Managed API with an address and no URL. The task is the first
// argument; a failure is an exception.
using System;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Exchange.WebServices.Data;

static class ManagedApi
{
    static string Env(string name) { return Environment.GetEnvironmentVariable(name); }

    static ExchangeService Open(string mailbox)
    {
        var service = new ExchangeService(ExchangeVersion.Exchange2013_SP1);
        service.Credentials = new WebCredentials(Env("USERNAME"), Env("PASSWORD"));
        service.ImpersonatedUserId = new ImpersonatedUserId(ConnectingIdType.SmtpAddress, mailbox);
        service.EnableScpLookup = false; // Mono cannot search Active Directory
        service.TraceEnabled = Env("TRACE") != null;
        service.TraceFlags = TraceFlags.AutodiscoverConfiguration | TraceFlags.AutodiscoverResponse;
        service.AutodiscoverUrl(mailbox, url => false);
        return service;
    }

    static void Found()
    {
        var service = Open(Env("MAILBOX"));
        if (service.Url.ToString() != "https://autodiscover.contoso.com/EWS/Exchange.asmx") throw new Exception(service.Url.ToString());
        var inbox = Folder.Bind(service, WellKnownFolderName.Inbox);
        if (inbox.DisplayName != "Inbox") throw new Exception(inbox.DisplayName);
    }

    static void Refused()
    {
        try { Open("bob@contoso.com"); }
        catch (ServiceRemoteException e)
        {
            Console.WriteLine(e.GetType().Name + ": " + e.Message);
            return;
        }
        throw new Exception("the mailbox was found");
    }

    // Trust accepts certificates of one authority. Mono cannot verify an authority
    // that has name constraints for addresses, so it is not in Mono's store.
    static void Trust(X509Certificate2 authority)
    {
        ServicePointManager.ServerCertificateValidationCallback = (sender, certificate, chain, errors) =>
        {
            var own = new X509Chain();
            own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            own.ChainPolicy.ExtraStore.Add(authority);
            own.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
            return (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == 0
                && own.Build(new X509Certificate2(certificate))
                && own.ChainElements[own.ChainElements.Count - 1].Certificate.Thumbprint == authority.Thumbprint;
        };
    }

    static int Main(string[] args)
    {
        Trust(new X509Certificate2(Env("CA_FILE")));
        try
        {
            if (args[0] == "refused") Refused(); else Found();
            return 0;
        }
        catch (Exception e) { Console.Error.WriteLine(e.ToString().Replace("\n", " ")); return 1; }
    }
}
