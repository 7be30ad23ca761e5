// Sends a photo to a service of Imageplane, signed, and writes the answer to standard output. Standard library only.
//
// usage: IMAGEPLANE_SERVICE_URL=… IMAGEPLANE_KEY_ID=… IMAGEPLANE_SECRET=… go run sign.go [--simple] FILE >ANSWER
// CONTENT_TYPE is image/jpeg unless it is set.
package main

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func mac(secret string, parts ...[]byte) []byte {
	hash := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		hash.Write(part)
	}
	return hash.Sum(nil)
}

// signNative binds method, path, query, time, nonce and body.
func signNative(request *http.Request, key, secret string, body []byte) error {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	nonce := base64.RawURLEncoding.EncodeToString(random)
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	// Path and query byte for byte as they are sent.
	text := strings.Join([]string{
		"IMGW1-HMAC-SHA256", timestamp, nonce, request.Method,
		request.URL.EscapedPath(), request.URL.RawQuery, hash,
	}, "\n")
	signature := base64.RawURLEncoding.EncodeToString(mac(secret, []byte(text)))
	request.Header.Set("Authorization", "HMAC-SHA256 Credential="+key+", Signature="+signature)
	request.Header.Set("X-Timestamp", timestamp)
	request.Header.Set("X-Nonce", nonce)
	request.Header.Set("X-Content-SHA256", hash)
	return nil
}

// signSimple binds time and body alone.
func signSimple(request *http.Request, key, secret string, body []byte) {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	signature := hex.EncodeToString(mac(secret, []byte(timestamp), body))
	request.Header.Set("Authorization", "Bearer "+key+":"+signature)
	request.Header.Set("X-Timestamp", timestamp)
}

func run(arguments []string) error {
	body, err := os.ReadFile(arguments[len(arguments)-1])
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, os.Getenv("IMAGEPLANE_SERVICE_URL"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", cmp.Or(os.Getenv("CONTENT_TYPE"), "image/jpeg"))
	key, secret := os.Getenv("IMAGEPLANE_KEY_ID"), os.Getenv("IMAGEPLANE_SECRET")
	if arguments[0] == "--simple" {
		signSimple(request, key, secret, body)
	} else if err := signNative(request, key, secret, body); err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", answer.StatusCode)
	}
	return nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: sign.go [--simple] FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
