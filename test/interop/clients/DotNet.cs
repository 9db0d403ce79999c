// Sends requests with HttpWebRequest, which the EWS Managed API and most of the
// older .NET software use. The task is the first argument; a failure is an exception.
using System;
using System.IO;
using System.Net;
using System.Text;

static class DotNet
{
    static string Env(string name) { return Environment.GetEnvironmentVariable(name); }

    static byte[] Envelope(string mailbox)
    {
        return Encoding.UTF8.GetBytes("<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
            + " xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\""
            + " xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header><t:RequestServerVersion Version=\"Exchange2013_SP1\" />"
            + "<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>" + mailbox + "</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
            + "</soap:Header><soap:Body><m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape><m:FolderIds>"
            + "<t:DistinguishedFolderId Id=\"inbox\" /></m:FolderIds></m:GetFolder></soap:Body></soap:Envelope>");
    }

    static void Call(CookieContainer cookies, string mailbox, int status, string want, Action<HttpWebRequest> setUp)
    {
        var request = (HttpWebRequest)WebRequest.Create(Env("EWS_URL"));
        request.Method = "POST";
        request.ContentType = "text/xml; charset=utf-8";
        request.Accept = "text/xml";
        request.UserAgent = "ExchangeServicesClient/15.00.0913.015";
        request.AutomaticDecompression = DecompressionMethods.GZip | DecompressionMethods.Deflate;
        request.CookieContainer = cookies;
        setUp(request);
        var body = Envelope(mailbox);
        using (var stream = request.GetRequestStream()) stream.Write(body, 0, body.Length);
        HttpWebResponse response;
        try { response = (HttpWebResponse)request.GetResponse(); }
        catch (WebException e) { if (e.Response == null) throw; response = (HttpWebResponse)e.Response; }
        using (response)
        using (var reader = new StreamReader(response.GetResponseStream()))
        {
            var text = reader.ReadToEnd();
            if ((int)response.StatusCode != status || !text.Contains(want)) throw new Exception((int)response.StatusCode + " " + text);
        }
    }

    static int Main(string[] args)
    {
        var credentials = new NetworkCredential(Env("USERNAME"), Env("PASSWORD"));
        Action<HttpWebRequest> setUp;
        int status = 200;
        string want = "<t:DisplayName>Inbox<", mailbox = Env("MAILBOX");
        switch (args[0])
        {
            case "no credentials": setUp = r => { }; break;
            case "default credentials": setUp = r => r.UseDefaultCredentials = true; break;
            case "credentials": case "client users": setUp = r => { r.Credentials = credentials; r.PreAuthenticate = true; }; break;
            case "chunked": setUp = r => r.SendChunked = true; break;
            case "mailbox not listed": setUp = r => { }; mailbox = "bob@contoso.com"; status = 500; want = "ErrorImpersonateUserDenied"; break;
            default: throw new ArgumentException(args[0]);
        }
        try
        {
            var cookies = new CookieContainer();
            for (var i = 0; i < 3; i++) Call(cookies, mailbox, status, want, setUp);
            return 0;
        }
        catch (Exception e)
        {
            Console.WriteLine((e.GetType().Name + ": " + e.Message).Replace("\n", " "));
            return 1;
        }
    }
}
