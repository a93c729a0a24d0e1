#!/bin/sh
# `sh scripts/make-tls-fixtures.sh`: makes the certificates in test/fixtures/tls anew, for a hundred years; needs openssl
# 3. Their keys protect nothing. The authority's key is thrown away.
set -eu
cd "$(dirname "$0")/../test/fixtures/tls"
rm -f ./*.pem
trap 'rm -f ca.key ./*.csr ./*.srl' EXIT
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
ca() { # name of the file, common name
  key ca.key
  openssl req -x509 -new -key ca.key -days 36500 -subj "/CN=$2" -out "$1.pem"
}
sign() { # name of the file, its key, days, names
  openssl req -new -key "$2" -subj "/CN=$1" -out "$1.csr"
  printf 'subjectAltName=%s\n' "$4" > names.csr
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$3" -extfile names.csr -out "$1.pem"
}
ca other-ca "another authority for tests"
ca ca "authority for tests"
key server-key.pem
key client-key.pem
sign server server-key.pem 36500 "DNS:localhost,DNS:lab.test,IP:127.0.0.1,IP:::1"
sign other-name server-key.pem 36500 "DNS:other.test"
# Of no length at all: it has expired when this script ends.
sign expired server-key.pem 0 "DNS:localhost,IP:127.0.0.1"
sign client client-key.pem 36500 "DNS:gateway.test"
