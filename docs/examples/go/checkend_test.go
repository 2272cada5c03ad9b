// A Checkend server for the duration of a test run. Needs only `checkend` on the PATH, or named by CHECKEND.
package shop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"
)

type access struct {
	URL string            `json:"url"`
	Env map[string]string `json:"env"`
}

var checkend access

func TestMain(m *testing.M) {
	name := os.Getenv("CHECKEND")
	if name == "" {
		name = "checkend"
	}
	server := exec.Command(name, "fixture")
	server.Stderr = os.Stderr
	input, _ := server.StdinPipe()
	output, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		panic(err)
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &checkend)
	}
	if err != nil {
		panic(fmt.Sprintf("checkend fixture did not start: %v", err))
	}
	status := m.Run()
	input.Close()
	server.Wait()
	os.Exit(status)
}

// call sends a request to the fixture; an error, such as a timeout of /wait, fails the test with its message.
func call(t *testing.T, method, path string, query url.Values, body string) map[string]any {
	t.Helper()
	target := checkend.URL + "/_fixture" + path + "?" + query.Encode()
	request, err := http.NewRequest(method, target, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	value := map[string]any{}
	json.Unmarshal(text, &value)
	if response.StatusCode >= 400 {
		t.Fatal(value["error"])
	}
	return value
}

// report takes the place of your program and its SDK.
func report(err error) int {
	body, _ := json.Marshal(map[string]any{
		"error": map[string]any{"class": fmt.Sprintf("%T", err), "message": err.Error()},
	})
	request, _ := http.NewRequest("POST", checkend.Env["CHECKEND_ENDPOINT"]+"/ingest/v1/errors", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Checkend-Ingestion-Key", checkend.Env["CHECKEND_API_KEY"])
	response, failure := http.DefaultClient.Do(request)
	if failure != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func TestAnErrorIsReported(t *testing.T) {
	call(t, "POST", "/reset", nil, "")
	_, err := os.Open("/no/such/file")
	go report(err)
	problem := call(t, "GET", "/wait", url.Values{"message": {"no such file"}}, "")["problem"].(map[string]any)
	if problem["error_class"] != "*fs.PathError" {
		t.Fatal(problem)
	}
}

func TestALostConnectionIsHarmless(t *testing.T) {
	call(t, "POST", "/reset", nil, "")
	call(t, "POST", "/faults", nil, `{"fault": "cut"}`)
	if status := report(io.EOF); status != 0 {
		t.Fatal(status)
	}
	call(t, "GET", "/wait", url.Values{"count": {"0"}, "timeout": {"0.1"}}, "")
}
