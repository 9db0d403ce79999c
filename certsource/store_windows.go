package certsource

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"
)

// These functions are missing from x/sys/windows. They are loaded from the
// system's folder only, at the first use.
var (
	crypt32                = windows.NewLazySystemDLL("crypt32.dll")
	procGetContextProperty = crypt32.NewProc("CertGetCertificateContextProperty")

	ncrypt               = windows.NewLazySystemDLL("ncrypt.dll")
	procNCryptSignHash   = ncrypt.NewProc("NCryptSignHash")
	procNCryptFreeObject = ncrypt.NewProc("NCryptFreeObject")
)

// Constants from wincrypt.h, bcrypt.h and ncrypt.h.
const (
	certKeyProvInfoProperty = 2   // CERT_KEY_PROV_INFO_PROP_ID
	padPKCS1                = 0x2 // NCRYPT_PAD_PKCS1_FLAG
	padPSS                  = 0x8 // NCRYPT_PAD_PSS_FLAG
	silent                  = 0x40
	saltLength              = 32 // in bytes; as long as a SHA-256 digest

	maxEntries     = 10_000 // limits the loop over the entries of a store, in case the store returns entries without end
	maxSignature   = 2048   // in bytes, for RSA of 16384 bits
	maxPropertyLen = 64 << 10
)

// windowsStore is a system store of this machine or of the current user.
type windowsStore struct {
	flags uint32
	name  *uint16
}

func newStoreReader(location, name string) (storeReader, error) {
	name16, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, errors.New("certsource: the store's name holds a NUL")
	}
	flags := uint32(windows.CERT_SYSTEM_STORE_LOCAL_MACHINE)
	if location == StoreCurrentUser {
		flags = windows.CERT_SYSTEM_STORE_CURRENT_USER
	}
	return &windowsStore{flags: flags | windows.CERT_STORE_READONLY_FLAG | windows.CERT_STORE_OPEN_EXISTING_FLAG, name: name16}, nil
}

func (s *windowsStore) entries() ([]storeEntry, error) {
	store, err := windows.CertOpenStore(windows.CERT_STORE_PROV_SYSTEM_W, 0, 0, s.flags, uintptr(unsafe.Pointer(s.name)))
	if err != nil {
		return nil, callError("CertOpenStore", err)
	}
	// Contexts that were duplicated stay valid after the store is closed.
	defer windows.CertCloseStore(store, 0)
	var list []storeEntry
	var context *windows.CertContext
	for len(list) < maxEntries {
		// Each call frees the context of the previous call.
		context, err = windows.CertEnumCertificatesInStore(store, context)
		if context == nil {
			break // CRYPT_E_NOT_FOUND, or ERROR_NO_MORE_FILES: the end of the store
		}
		list = append(list, newWindowsEntry(context))
	}
	if len(list) == maxEntries {
		windows.CertFreeCertificateContext(context)
	}
	return list, nil
}

// windowsEntry owns a duplicate of a certificate context.
type windowsEntry struct {
	context *windows.CertContext
	encoded []byte
}

func newWindowsEntry(context *windows.CertContext) *windowsEntry {
	e := &windowsEntry{
		context: windows.CertDuplicateCertificateContext(context),
		encoded: append([]byte(nil), unsafe.Slice(context.EncodedCert, context.Length)...),
	}
	runtime.AddCleanup(e, func(c *windows.CertContext) { windows.CertFreeCertificateContext(c) }, e.context)
	return e
}

func (e *windowsEntry) der() []byte { return e.encoded }

func (e *windowsEntry) key() (storeKey, error) {
	provider, legacy := e.provider()
	var handle windows.Handle
	var spec uint32
	var owned bool
	const flags = windows.CRYPT_ACQUIRE_ONLY_NCRYPT_KEY_FLAG | windows.CRYPT_ACQUIRE_SILENT_FLAG
	if err := windows.CryptAcquireCertificatePrivateKey(e.context, flags, nil, &handle, &spec, &owned); err != nil {
		failed := callError("CryptAcquireCertificatePrivateKey", err)
		failed.provider, failed.legacy = provider, legacy
		return nil, failed
	}
	k := &windowsKey{handle: handle, entry: e, provider: provider, legacy: legacy}
	if owned {
		runtime.AddCleanup(k, func(h windows.Handle) { procNCryptFreeObject.Call(uintptr(h)) }, handle)
	}
	return k, nil
}

// keyProvInfo is CRYPT_KEY_PROV_INFO.
type keyProvInfo struct {
	container  *uint16
	provider   *uint16
	kind       uint32 // 0: a CNG key storage provider
	flags      uint32
	paramCount uint32
	params     uintptr
	keySpec    uint32
}

// provider returns the name of the key's provider, and whether it is a
// CryptoAPI provider. The name is "" if the certificate has no private key.
func (e *windowsEntry) provider() (name string, legacy bool) {
	var size uint32
	ok, _, _ := procGetContextProperty.Call(uintptr(unsafe.Pointer(e.context)), certKeyProvInfoProperty, 0, uintptr(unsafe.Pointer(&size)))
	if ok == 0 || size < uint32(unsafe.Sizeof(keyProvInfo{})) || size > maxPropertyLen {
		return "", false
	}
	buffer := make([]uint64, (size+7)/8) // aligned for the structure
	ok, _, _ = procGetContextProperty.Call(uintptr(unsafe.Pointer(e.context)), certKeyProvInfoProperty, uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size)))
	if ok == 0 {
		return "", false
	}
	info := (*keyProvInfo)(unsafe.Pointer(&buffer[0]))
	if info.provider != nil {
		name = windows.UTF16PtrToString(info.provider) // info.provider points into buffer
	}
	runtime.KeepAlive(buffer)
	return name, info.kind != 0
}

// windowsKey owns an NCRYPT_KEY_HANDLE, or uses the handle of the certificate
// context.
type windowsKey struct {
	handle   windows.Handle
	entry    *windowsEntry // keeps the certificate context alive, because the context may own the handle
	provider string
	legacy   bool
}

// pssPadding is BCRYPT_PSS_PADDING_INFO.
type pssPadding struct {
	algorithm *uint16
	salt      uint32
}

// pkcs1Padding is BCRYPT_PKCS1_PADDING_INFO.
type pkcs1Padding struct{ algorithm *uint16 }

func (k *windowsKey) sign(digest []byte, pss bool) ([]byte, error) {
	sha256, err := windows.UTF16PtrFromString("SHA256")
	if err != nil {
		return nil, err
	}
	padding, flags := unsafe.Pointer(&pkcs1Padding{sha256}), uintptr(padPKCS1|silent)
	if pss {
		padding, flags = unsafe.Pointer(&pssPadding{sha256, saltLength}), padPSS|silent
	}
	signature := make([]byte, maxSignature)
	var n uint32
	status, _, _ := procNCryptSignHash.Call(uintptr(k.handle), uintptr(padding),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)),
		uintptr(unsafe.Pointer(&signature[0])), uintptr(len(signature)), uintptr(unsafe.Pointer(&n)), flags)
	runtime.KeepAlive(k)
	if status != 0 {
		return nil, &storeError{call: "NCryptSignHash", status: uint32(status), provider: k.provider, legacy: k.legacy}
	}
	return signature[:min(n, maxSignature)], nil
}

func callError(call string, err error) *storeError {
	e := &storeError{call: call}
	var errno windows.Errno
	if errors.As(err, &errno) {
		e.status = uint32(errno)
	}
	return e
}
