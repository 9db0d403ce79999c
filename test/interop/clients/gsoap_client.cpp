// Drives gSOAP. The task is the first argument; what is wrong is the last line
// of the output.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "ews.nsmap"
#include "soapH.h"

using std::string;

static string env(const char *name) {
	const char *value = getenv(name);
	return value ? value : "";
}

static void must(bool ok, const string &what) {
	if (!ok) throw std::runtime_error(what);
}

struct Fault : std::runtime_error {
	using std::runtime_error::runtime_error;
};

class Service {
	struct soap *soap; // keeps its connection open, unlike gSOAP's default
	string mailbox;

	void header() {
		soap->header = soap_new_SOAP_ENV__Header(soap);
		auto version = soap_new__t__RequestServerVersion(soap);
		version->Version = soap_strdup(soap, "Exchange2013_SP1");
		soap->header->t__RequestServerVersion = version;
		if (mailbox.empty()) return;
		auto sid = soap_new_t__ConnectingSID(soap);
		sid->t__PrimarySmtpAddress = soap_strdup(soap, mailbox.c_str());
		auto impersonation = soap_new__t__ExchangeImpersonation(soap);
		impersonation->t__ConnectingSID = sid;
		soap->header->t__ExchangeImpersonation = impersonation;
	}

	void check(int status) {
		if (status == SOAP_OK) return;
		const char **code = soap_faultcode(soap), **text = soap_faultstring(soap);
		throw Fault(string(code && *code ? *code : "?") + " " + (text && *text ? *text : "?"));
	}

public:
	explicit Service(const string &mailbox, bool chunked = false) : mailbox(mailbox) {
		soap = soap_new1(SOAP_IO_KEEPALIVE | (chunked ? SOAP_IO_CHUNK : 0) | SOAP_XML_TREE | SOAP_C_UTFSTRING);
		soap->recv_timeout = soap->send_timeout = soap->connect_timeout = 200;
	}
	~Service() {
		soap_destroy(soap);
		soap_end(soap);
		soap_free(soap);
	}
	Service(const Service &) = delete;

	void folder() {
		header();
		m__FolderShape shape;
		shape.t__BaseShape = soap_strdup(soap, "Default");
		t__DistinguishedFolderId id;
		id.Id = soap_strdup(soap, "inbox");
		m__FolderIds ids;
		ids.t__DistinguishedFolderId = &id;
		m__GetFolder request;
		request.m__FolderShape = &shape;
		request.m__FolderIds = &ids;
		struct m__GetFolderResponse response;
		check(soap_call___m__GetFolder(soap, env("EWS_URL").c_str(), nullptr, &request, &response));
		auto message = response.m__ResponseMessages->m__GetFolderResponseMessage;
		must(string(message->m__ResponseCode) == "NoError", message->m__ResponseCode);
		must(string(message->m__Folders->t__Folder->t__DisplayName) == "Inbox", "another folder came");
		must(soap->header && soap->header->t__ServerVersionInfo, "the response has no ServerVersionInfo");
	}

	void create(const string &subject, size_t size) {
		header();
		string text(size, 'x');
		t__Body body;
		body.__item = &text[0];
		body.BodyType = soap_strdup(soap, "Text");
		t__Message message;
		message.t__Subject = soap_strdup(soap, subject.c_str());
		message.t__Body = &body;
		m__Items items;
		items.t__Message = &message;
		m__CreateItem request;
		request.MessageDisposition = soap_strdup(soap, "SaveOnly");
		request.m__Items = &items;
		struct m__CreateItemResponse response;
		check(soap_call___m__CreateItem(soap, env("EWS_URL").c_str(), nullptr, &request, &response));
		string code = response.m__ResponseMessages->m__CreateItemResponseMessage->m__ResponseCode;
		must(code == "NoError", code);
	}
};

static void control(const string &path) {
	// curl sends these requests, so that only the client under test uses gSOAP.
	string command = "curl -sf -o /dev/null '" + env("CONTROL_URL") + "/" + path + "'";
	must(system(command.c_str()) == 0, "control: " + path);
}

static void fails(const string &code, Service &service) {
	try {
		service.folder();
	} catch (const Fault &fault) {
		must(string(fault.what()).find(":" + code + " ") != string::npos, fault.what());
		return;
	}
	must(false, "no fault");
}

static void run(const string &task) {
	if (task == "mailbox named" || task == "mailbox named, chunked") {
		Service service(env("MAILBOX"), task != "mailbox named");
		service.folder();
		service.create("by gSOAP <&>", 100);
	} else if (task == "no mailbox named") {
		Service service("");
		service.folder();
		service.create("by default", 100);
	} else if (task == "mailbox not listed") {
		Service service("bob@contoso.com");
		fails("ErrorImpersonateUserDenied", service);
	} else if (task == "token revoked") {
		Service service(env("MAILBOX"));
		for (size_t i = 1; i <= 3; i++) {
			service.folder();
			control("revoke");
			service.create("message", i * 200000);
		}
	} else if (task == "busy") {
		Service service(env("MAILBOX"));
		control("busy?times=2&milliseconds=1500");
		fails("ErrorServerBusy", service);
		fails("ErrorServerBusy", service);
		service.folder();
	} else {
		must(false, "no such task");
	}
}

int main(int, char **argv) {
	try {
		run(argv[1]);
	} catch (const std::exception &e) {
		puts(e.what());
		return 1;
	}
	return 0;
}
