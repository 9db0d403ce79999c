#!/bin/sh
# Makes the fixtures in good/ and bad/ with OpenSSL 3 and Java's keytool.
# The fixtures are committed, so this is run only to add one. Each folder's
# index.tsv holds what OpenSSL says about every file.
set -eu
cd "$(dirname "$0")"
rm -rf good bad && mkdir good bad
t=$(mktemp -d) && trap 'rm -rf "$t"' EXIT
days=36500
pw='correct horse'

req() { openssl req -new -newkey "$1" -nodes -keyout "$t/$2.key" -subj "/O=Contoso/CN=$2" -out "$t/$2.csr" 2>/dev/null; }
issue() { # name, issuer, extensions
	printf '%s\n' "$3" >"$t/ext"
	openssl x509 -req -in "$t/$1.csr" -CA "$t/$2.crt" -CAkey "$t/$2.key" -CAcreateserial -days $days -extfile "$t/ext" -out "$t/$1.crt" 2>/dev/null
}
# shellcheck disable=SC2086 # $3 is further options
selfsigned() { openssl req -x509 -newkey "$1" $3 -nodes -keyout "$t/$2.key" -days $days -subj "/O=Contoso/CN=$2" -out "$t/$2.crt" 2>/dev/null; }

selfsigned rsa:2048 root ''
req rsa:2048 intermediate && issue intermediate root 'basicConstraints=critical,CA:true'
req rsa:2048 HMA-Cert && issue HMA-Cert intermediate 'extendedKeyUsage=clientAuth'
selfsigned rsa:2048 other ''
selfsigned rsa:1024 rsa1024 ''
selfsigned ec ec '-pkeyopt ec_paramgen_curve:P-256'
selfsigned ed25519 ed25519 ''
selfsigned rsa:2048 negative '-set_serial -5'
openssl req -x509 -key "$t/negative.key" -subj '/CN=zero serial' -days $days -set_serial 0 -out "$t/zero.crt" 2>/dev/null
# A second, older certificate for the same key, as after a renewal that kept
# the key.
sleep 1.1
cp "$t/HMA-Cert.crt" "$t/older.crt" && issue HMA-Cert intermediate 'extendedKeyUsage=clientAuth'
cat "$t/intermediate.crt" "$t/root.crt" >"$t/chain.pem"
key=$t/HMA-Cert.key crt=$t/HMA-Cert.crt

print() { openssl x509 -in "$1" -noout -fingerprint "-$2" | sed 's/.*=//; s/://g'; }
good() { printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$(print "${4:-$crt}" sha1)" "$(print "${4:-$crt}" sha256)" >>good/index.tsv; }
bad() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>bad/index.tsv; }
pfx() { # file, password, further options
	f=$1 p=$2 && shift 2
	openssl pkcs12 -export -inkey "$key" -in "$crt" -out "$f" -passout "pass:$p" "$@"
}

# PFX: file, password, certificates in the chain.
pfx good/openssl3-default.pfx "$pw";                                                          good openssl3-default.pfx "$pw" 1
pfx good/openssl3-empty-password.pfx '';                                                      good openssl3-empty-password.pfx '' 1
pfx good/openssl3-chain.pfx "$pw" -certfile "$t/chain.pem";                                   good openssl3-chain.pfx "$pw" 3
pfx good/openssl1-rc2-3des-sha1.pfx "$pw" -legacy -certfile "$t/chain.pem";                   good openssl1-rc2-3des-sha1.pfx "$pw" 3
pfx good/keyvault-3des-sha1-empty-password.pfx '' -legacy -descert -certfile "$t/chain.pem";  good keyvault-3des-sha1-empty-password.pfx '' 3
pfx good/windows-3des-sha1.pfx "$pw" -legacy -descert -CSP 'Microsoft Enhanced RSA and AES Cryptographic Provider' -LMK -name te-b5f5; good windows-3des-sha1.pfx "$pw" 1
pfx good/windows-aes256-sha256.pfx "$pw" -keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha256 -iter 2000 -CSP 'Microsoft Software Key Storage Provider' -LMK; good windows-aes256-sha256.pfx "$pw" 1
pfx good/aes128-sha512mac.pfx "$pw" -keypbe AES-128-CBC -certpbe AES-128-CBC -macalg sha512;  good aes128-sha512mac.pfx "$pw" 1
pfx good/aes256-sha1mac.pfx "$pw" -macalg sha1;                                               good aes256-sha1mac.pfx "$pw" 1
pfx good/certificates-in-clear.pfx "$pw" -certpbe NONE;                                       good certificates-in-clear.pfx "$pw" 1
pfx good/nothing-encrypted-no-mac.pfx '' -certpbe NONE -keypbe NONE -nomac;                   good nothing-encrypted-no-mac.pfx '' 1
pfx good/password-utf8.pfx 'Pässwörd€';                                                       good password-utf8.pfx 'Pässwörd€' 1
keytool -importkeystore -noprompt -srckeystore good/openssl3-chain.pfx -srcstoretype PKCS12 -srcstorepass "$pw" \
	-destkeystore good/keytool-chain.p12 -deststoretype PKCS12 -deststorepass "$pw" 2>/dev/null;              good keytool-chain.p12 "$pw" 3
keytool -genkeypair -alias hma -keyalg RSA -keysize 3072 -validity $days -dname 'CN=keytool, O=Contoso' \
	-keystore good/keytool-genkeypair.p12 -storetype PKCS12 -storepass "$pw" 2>/dev/null
keytool -exportcert -rfc -alias hma -keystore good/keytool-genkeypair.p12 -storepass "$pw" >"$t/keytool.crt" 2>/dev/null
good keytool-genkeypair.p12 "$pw" 1 "$t/keytool.crt"
base64 -w 0 <good/keyvault-3des-sha1-empty-password.pfx >good/keyvault-secret.b64;            good keyvault-secret.b64 '' 3
base64 <good/openssl3-default.pfx | sed 's/$/\r/' >good/base64-crlf-lines.b64;                good base64-crlf-lines.b64 "$pw" 1
{ cat good/openssl3-default.pfx; printf '\r\n'; } >good/newline-at-the-end.pfx;               good newline-at-the-end.pfx "$pw" 1

# PEM.
cat "$key" "$crt" >good/key-first.pem;                                                        good key-first.pem '' 1
cat "$crt" "$key" >good/certificate-first.pem;                                                good certificate-first.pem 'a password that is not needed' 1
cat "$t/root.crt" "$t/intermediate.crt" "$crt" "$key" >good/leaf-last.pem;                                               good leaf-last.pem '' 3
cat "$key" "$t/other.crt" "$t/root.crt" "$crt" "$t/intermediate.crt" >good/unrelated-and-shuffled.pem; good unrelated-and-shuffled.pem '' 3
cat "$key" "$t/older.crt" "$crt" >good/renewed-with-the-same-key.pem;                         good renewed-with-the-same-key.pem '' 1
{ openssl rsa -in "$key" -traditional 2>/dev/null; cat "$crt"; } >good/pkcs1.pem;             good pkcs1.pem '' 1
{ printf '\357\273\277'; sed 's/$/\r/' good/key-first.pem; } >good/bom-crlf.pem;              good bom-crlf.pem '' 1
openssl pkcs12 -in good/openssl3-chain.pfx -passin "pass:$pw" -nodes -out good/bag-attributes.pem; good bag-attributes.pem '' 3
{ openssl x509 -in "$crt" -trustout -addtrust clientAuth; cat "$key"; } >good/trusted-certificate.pem; good trusted-certificate.pem '' 1
base64 <good/key-first.pem >good/pem-in-base64.b64;                                           good pem-in-base64.b64 '' 1

# Serial numbers that RFC 5280 forbids.
cat "$t/negative.key" "$t/negative.crt" >good/negative-serial.pem;                            good negative-serial.pem '' 1 "$t/negative.crt"
openssl pkcs12 -export -inkey "$t/negative.key" -in "$t/negative.crt" -out good/negative-serial.pfx -passout "pass:$pw"; good negative-serial.pfx "$pw" 1 "$t/negative.crt"
cat "$t/negative.key" "$t/zero.crt" >good/zero-serial.pem;                                    good zero-serial.pem '' 1 "$t/zero.crt"

# Fields: file, password, Code.
: >bad/empty.pfx;                                                                             bad empty.pfx '' Empty
printf ' \r\n' >bad/white-space.pem;                                                          bad white-space.pem '' Empty
printf '\357\273\277' >bad/bom-only.pem;                                                      bad bom-only.pem '' Empty
iconv -t UTF-16 good/key-first.pem >bad/utf16-bom.pem;                                        bad utf16-bom.pem '' UTF16
iconv -t UTF-16LE good/key-first.pem >bad/utf16le.pem;                                        bad utf16le.pem '' UTF16
echo 'three blind mice' >bad/text.pem;                                                        bad text.pem '' UnknownFormat
echo 'b3JkaW5hcnkgc2VjcmV0' >bad/ordinary-secret.b64;                                         bad ordinary-secret.b64 '' UnknownFormat
cp "$t/HMA-Cert.csr" bad/request.pem;                                                         bad request.pem '' UnknownFormat
cp good/openssl3-default.pfx bad/wrong-password.pfx;                                          bad wrong-password.pfx 'incorrect horse' WrongPassword
cp good/openssl3-default.pfx bad/password-not-given.pfx;                                      bad password-not-given.pfx '' WrongPassword
pfx bad/sha384mac.pfx "$pw" -macalg sha384;                                                   bad sha384mac.pfx "$pw" UnsupportedPFX
pfx bad/encrypted-without-mac.pfx "$pw" -nomac;                                               bad encrypted-without-mac.pfx "$pw" UnsupportedPFX
pfx bad/iterations-20-million.pfx '' -iter 20000000 -nomac;                                   bad iterations-20-million.pfx '' UnsupportedPFX
head -c 1500 good/openssl3-default.pfx >bad/cut-off.pfx;                                      bad cut-off.pfx "$pw" Damaged
{ cat good/openssl3-default.pfx; echo trailing; } >bad/trailing-bytes.pfx;                    bad trailing-bytes.pfx "$pw" Damaged
head -n 20 good/key-first.pem >bad/cut-off.pem;                                               bad cut-off.pem '' Damaged
tr '\n' ' ' <good/key-first.pem >bad/line-breaks-lost.pem;                                    bad line-breaks-lost.pem '' Damaged
sed '5s/^...../AAAAA/' good/certificate-first.pem >bad/altered-certificate.pem;               bad altered-certificate.pem '' Damaged
openssl pkcs12 -export -nokeys -in "$crt" -certfile "$t/chain.pem" -out bad/no-key.pfx -passout "pass:$pw"; bad no-key.pfx "$pw" NoPrivateKey
openssl pkcs12 -export -nokeys -in "$crt" -certfile "$t/chain.pem" -out bad/non-exportable.pfx -passout pass:; bad non-exportable.pfx '' NoPrivateKey
cp "$crt" bad/certificate-only.pem;                                                           bad certificate-only.pem '' NoPrivateKey
openssl x509 -in "$crt" -outform DER -out bad/certificate-only.cer;                           bad certificate-only.cer '' NoPrivateKey
openssl pkcs12 -export -nocerts -inkey "$key" -out bad/key-only.pfx -passout "pass:$pw";      bad key-only.pfx "$pw" NoCertificate
cp "$key" bad/key-only.pem;                                                                   bad key-only.pem '' NoCertificate
cat "$key" "$t/other.key" "$crt" >bad/two-keys.pem;                                           bad two-keys.pem '' SeveralKeys
keytool -importkeystore -noprompt -srckeystore good/openssl3-chain.pfx -srcstoretype PKCS12 -srcstorepass "$pw" \
	-destkeystore bad/two-keys.p12 -deststoretype PKCS12 -deststorepass "$pw" 2>/dev/null
keytool -genkeypair -alias second -keyalg RSA -keysize 2048 -validity $days -dname 'CN=second' \
	-keystore bad/two-keys.p12 -storetype PKCS12 -storepass "$pw" 2>/dev/null;                bad two-keys.p12 "$pw" SeveralKeys
{ openssl pkcs8 -topk8 -in "$key" -passout "pass:$pw"; cat "$crt"; } >bad/encrypted-pkcs8.pem; bad encrypted-pkcs8.pem "$pw" EncryptedPEM
{ openssl rsa -in "$key" -traditional -aes128 -passout "pass:$pw" 2>/dev/null; cat "$crt"; } >bad/encrypted-rfc1423.pem; bad encrypted-rfc1423.pem "$pw" EncryptedPEM
cat "$t/ec.key" "$t/ec.crt" >bad/ec.pem;                                                      bad ec.pem '' NotRSA
{ openssl ec -in "$t/ec.key" 2>/dev/null; cat "$t/ec.crt"; } >bad/ec-sec1.pem;                bad ec-sec1.pem '' NotRSA
openssl pkcs12 -export -inkey "$t/ec.key" -in "$t/ec.crt" -out bad/ec.pfx -passout pass:;     bad ec.pfx '' NotRSA
openssl pkcs12 -export -inkey "$t/ed25519.key" -in "$t/ed25519.crt" -out bad/ed25519.pfx -passout pass:; bad ed25519.pfx '' NotRSA
cat "$t/rsa1024.key" "$t/rsa1024.crt" >bad/rsa1024.pem;                                       bad rsa1024.pem '' WeakKey
openssl pkcs12 -export -inkey "$t/rsa1024.key" -in "$t/rsa1024.crt" -out bad/rsa1024.pfx -passout pass:; bad rsa1024.pfx '' WeakKey
cat "$t/other.key" "$crt" >bad/key-of-another.pem;                                            bad key-of-another.pem '' KeyMismatch
openssl crl2pkcs7 -nocrl -certfile "$crt" -out bad/chain.p7b;                                 bad chain.p7b '' PKCS7
openssl crl2pkcs7 -nocrl -certfile "$crt" -outform DER -out bad/chain-der.p7b;                bad chain-der.p7b '' PKCS7
