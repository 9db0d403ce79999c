// The input from which gSOAP's compiler soapcpp2 generates the client: the part of
// EWS that gsoap_client.cpp uses.
//gsoap t schema namespace: http://schemas.microsoft.com/exchange/services/2006/types
//gsoap t schema elementForm: qualified
//gsoap m schema namespace: http://schemas.microsoft.com/exchange/services/2006/messages
//gsoap m schema elementForm: qualified
//gsoap m service name: ews
//gsoap m service namespace: http://schemas.microsoft.com/exchange/services/2006/messages
//gsoap m service style: document
//gsoap m service encoding: literal

struct _t__RequestServerVersion { @char *Version; };
struct t__ConnectingSID { char *t__PrimarySmtpAddress; };
struct _t__ExchangeImpersonation { struct t__ConnectingSID *t__ConnectingSID; };
struct _t__ServerVersionInfo { @char *Version; };

struct SOAP_ENV__Header {
	mustUnderstand struct _t__RequestServerVersion *t__RequestServerVersion;
	struct _t__ExchangeImpersonation *t__ExchangeImpersonation;
	struct _t__ServerVersionInfo *t__ServerVersionInfo;
};

struct t__DistinguishedFolderId { @char *Id; };
struct m__FolderShape { char *t__BaseShape; };
struct m__FolderIds { struct t__DistinguishedFolderId *t__DistinguishedFolderId; };
struct t__Folder { char *t__DisplayName; };
struct m__Folders { struct t__Folder *t__Folder; };
struct m__GetFolderResponseMessage { char *m__ResponseCode; struct m__Folders *m__Folders; };
struct m__GetFolderMessages { struct m__GetFolderResponseMessage *m__GetFolderResponseMessage; };
struct m__GetFolderResponse { struct m__GetFolderMessages *m__ResponseMessages; };

//gsoap m service method-action: GetFolder "http://schemas.microsoft.com/exchange/services/2006/messages/GetFolder"
int __m__GetFolder(struct m__GetFolder { struct m__FolderShape *m__FolderShape; struct m__FolderIds *m__FolderIds; } *m__GetFolder,
	struct m__GetFolderResponse *m__GetFolderResponse);

struct t__Body { char *__item; @char *BodyType; };
struct t__Message { char *t__Subject; struct t__Body *t__Body; };
struct m__Items { struct t__Message *t__Message; };
struct m__CreateItemResponseMessage { char *m__ResponseCode; };
struct m__CreateItemMessages { struct m__CreateItemResponseMessage *m__CreateItemResponseMessage; };
struct m__CreateItemResponse { struct m__CreateItemMessages *m__ResponseMessages; };

//gsoap m service method-action: CreateItem "http://schemas.microsoft.com/exchange/services/2006/messages/CreateItem"
int __m__CreateItem(struct m__CreateItem { @char *MessageDisposition; struct m__Items *m__Items; } *m__CreateItem,
	struct m__CreateItemResponse *m__CreateItemResponse);
