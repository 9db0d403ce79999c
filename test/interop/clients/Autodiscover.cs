// Looks for Exchange as the EWS Managed API does, with HttpWebRequest, which that
// library uses: a GET without credentials for the header X-SOAP-Enabled, then SOAP. The task
// is the first argument; a failure is an exception.
using System;
using System.IO;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;

static class Autodiscover
{
    static string Env(string name) { return Environment.GetEnvironmentVariable(name); }

    static HttpWebResponse Get(HttpWebRequest request)
    {
        try { return (HttpWebResponse)request.GetResponse(); }
        catch (WebException e) { if (e.Response == null) throw; return (HttpWebResponse)e.Response; }
    }

    static string Post(string url, string body)
    {
        var request = (HttpWebRequest)WebRequest.Create(url);
        request.Method = "POST";
        request.ContentType = "text/xml; charset=utf-8";
        request.Accept = "text/xml";
        request.UserAgent = "ExchangeServicesClient/15.00.0913.015";
        request.AllowAutoRedirect = false;
        var bytes = Encoding.UTF8.GetBytes(body);
        using (var stream = request.GetRequestStream()) stream.Write(bytes, 0, bytes.Length);
        using (var response = Get(request))
        using (var reader = new StreamReader(response.GetResponseStream())) return reader.ReadToEnd();
    }

    static string Discover(string mailbox)
    {
        var probe = (HttpWebRequest)WebRequest.Create("https://autodiscover.contoso.com/autodiscover/autodiscover.xml");
        probe.AllowAutoRedirect = false;
        using (var response = Get(probe))
            if (response.Headers["X-SOAP-Enabled"] != "True") throw new Exception("no X-SOAP-Enabled: " + (int)response.StatusCode);
        const string a = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
        return Post("https://autodiscover.contoso.com/autodiscover/autodiscover.svc", "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
            + "<soap:Envelope xmlns:a=\"" + a + "\" xmlns:wsa=\"http://www.w3.org/2005/08/addressing\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
            + " xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header><a:RequestedServerVersion>Exchange2013_SP1</a:RequestedServerVersion>"
            + "<wsa:Action>" + a + "/Autodiscover/GetUserSettings</wsa:Action><wsa:To>https://autodiscover.contoso.com/autodiscover/autodiscover.svc</wsa:To></soap:Header>"
            + "<soap:Body><a:GetUserSettingsRequestMessage xmlns:a=\"" + a + "\"><a:Request><a:Users><a:User><a:Mailbox>" + mailbox + "</a:Mailbox></a:User></a:Users>"
            + "<a:RequestedSettings><a:Setting>InternalEwsUrl</a:Setting><a:Setting>ExternalEwsUrl</a:Setting></a:RequestedSettings></a:Request>"
            + "</a:GetUserSettingsRequestMessage></soap:Body></soap:Envelope>");
    }

    static string Inbox(string url, string mailbox)
    {
        return Post(url, "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\""
            + " xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header>"
            + "<t:RequestServerVersion Version=\"Exchange2013_SP1\" /><t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>" + mailbox
            + "</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></soap:Header><soap:Body><m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape>"
            + "</m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id=\"inbox\" /></m:FolderIds></m:GetFolder></soap:Body></soap:Envelope>");
    }

    static int Main(string[] args)
    {
        // Mono has a certificate store of its own for each user; this one is empty.
        var ca = new X509Certificate2(Env("CA_FILE"));
        ServicePointManager.ServerCertificateValidationCallback = (sender, certificate, chain, errors) =>
        {
            var own = new X509Chain();
            own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            own.ChainPolicy.ExtraStore.Add(ca);
            own.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
            return (errors & System.Net.Security.SslPolicyErrors.RemoteCertificateNameMismatch) == 0
                && own.Build(new X509Certificate2(certificate))
                && own.ChainElements[own.ChainElements.Count - 1].Certificate.Thumbprint == ca.Thumbprint;
        };
        try
        {
            if (args[0] == "refused")
            {
                var text = Discover("bob@contoso.com");
                if (!text.Contains("<ErrorCode>InvalidUser</ErrorCode>") || text.Contains("EwsUrl")) throw new Exception(text);
                return 0;
            }
            var found = Discover(Env("MAILBOX"));
            var url = Regex.Match(found, "<Name>ExternalEwsUrl</Name><Value>([^<]*)</Value>").Groups[1].Value;
            if (url != "https://autodiscover.contoso.com/EWS/Exchange.asmx") throw new Exception(found);
            var inbox = Inbox(url, Env("MAILBOX"));
            if (!inbox.Contains("<t:DisplayName>Inbox<")) throw new Exception(inbox);
            return 0;
        }
        catch (Exception e) { Console.Error.WriteLine(e.ToString().Replace("\n", " ")); return 1; }
    }
}
