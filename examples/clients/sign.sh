#!/bin/sh
# Sends a photo to a service of Imageplane, signed, and writes the answer to standard output. Needs curl and openssl.
# usage: IMAGEPLANE_SERVICE_URL=… IMAGEPLANE_KEY_ID=… IMAGEPLANE_SECRET=… sh sign.sh [--simple] FILE >ANSWER
# CONTENT_TYPE is image/jpeg unless it is set.
set -eu

form=native
if [ "$1" = --simple ]; then
  form=simple
  shift
fi
file=$1

# HMAC-SHA-256 of standard input (RFC 2104), in bytes. By hand, since openssl takes a key from its arguments alone,
# which everybody on the machine can see; the secret is shorter than the block of 64 bytes.
hmac() {
  inner=''
  outer=''
  for byte in $(printf %s "$IMAGEPLANE_SECRET" | od -An -v -tu1) $(yes 0 | head -n $((64 - ${#IMAGEPLANE_SECRET}))); do
    inner=$inner$(printf '\\0%03o' $((byte ^ 54)))
    outer=$outer$(printf '\\0%03o' $((byte ^ 92)))
  done
  { printf %b "$inner" && cat; } | openssl dgst -sha256 -binary |
    { printf %b "$outer" && cat; } | openssl dgst -sha256 -binary
}

timestamp=$(date +%s)
if [ $form = simple ]; then
  signature=$({ printf %s "$timestamp" && cat "$file"; } | hmac | od -An -v -tx1 | tr -d ' \n')
  set -- -H "Authorization: Bearer $IMAGEPLANE_KEY_ID:$signature"
else
  # Path and query, byte for byte as they are sent.
  target=/$(printf %s "$IMAGEPLANE_SERVICE_URL" | cut -d/ -f4-)
  path=${target%%\?*}
  query=${target#"$path"}
  nonce=$(openssl rand -hex 16)
  hash=$(openssl dgst -sha256 -r "$file" | cut -c1-64)
  signature=$(
    printf '%s\n%s\n%s\n%s\n%s\n%s\n%s' IMGW1-HMAC-SHA256 "$timestamp" "$nonce" POST "$path" "${query#\?}" "$hash" |
      hmac | openssl base64 -A | tr '+/' '-_' | tr -d =
  )
  set -- -H "Authorization: HMAC-SHA256 Credential=$IMAGEPLANE_KEY_ID, Signature=$signature" \
    -H "X-Nonce: $nonce" -H "X-Content-SHA256: $hash"
fi
curl -sS --fail-with-body "$@" -H "X-Timestamp: $timestamp" -H "Content-Type: ${CONTENT_TYPE:-image/jpeg}" -H 'Expect:' \
  --data-binary @"$file" "$IMAGEPLANE_SERVICE_URL"
