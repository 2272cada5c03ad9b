# A Checkend server for the duration of a test run. Needs only `checkend` on the PATH, or named by CHECKEND.
require "json"
require "minitest/autorun"
require "net/http"
require "open3"

module Checkend
  class Fixture
    attr_reader :url, :env

    def initialize
      @input, output, @thread = Open3.popen2(ENV.fetch("CHECKEND", "checkend"), "fixture")
      line = output.gets or raise "checkend fixture did not start"
      access = JSON.parse(line)
      @url, @env = access.values_at("url", "env")
    end

    def wait_for_problem(**query) = call("GET", "/wait", query)["problem"]
    def assert_no_problems(within: 0) = call("GET", "/wait", count: 0, timeout: within)
    def set_fault(**fault) = call("POST", "/faults", {}, fault)
    def requests = call("GET", "/journal")["requests"]
    def reset = call("POST", "/reset")

    def stop
      @input.close
      @thread.value
    end

    private

    def call(method, path, query = {}, body = nil)
      uri = URI("#{@url}/_fixture#{path}?#{URI.encode_www_form(query)}")
      response = Net::HTTP.start(uri.host, uri.port) { |http| http.send_request(method, uri, body&.to_json) }
      value = response.body.to_s.empty? ? nil : JSON.parse(response.body)
      raise value["error"] unless response.is_a?(Net::HTTPSuccess)
      value
    end
  end
end

CHECKEND = Checkend::Fixture.new
Minitest.after_run { CHECKEND.stop }

class ReportTest < Minitest::Test
  def setup = CHECKEND.reset

  # In place of your program and its SDK.
  def report(error)
    body = { error: { class: error.class.name, message: error.message, backtrace: error.backtrace } }
    headers = { "Content-Type" => "application/json", "Checkend-Ingestion-Key" => CHECKEND.env["CHECKEND_API_KEY"] }
    Net::HTTP.post(URI("#{CHECKEND.env["CHECKEND_ENDPOINT"]}/ingest/v1/errors"), body.to_json, headers)
  end

  def test_an_error_is_reported
    Integer("twelve")
  rescue ArgumentError => error
    Thread.new { report(error) }
    assert_equal 1, CHECKEND.wait_for_problem(error_class: "ArgumentError", message: "twelve")["notices_count"]
  end

  def test_a_failure_of_the_server_is_harmless
    CHECKEND.set_fault(status: 500, times: 1)
    report(RuntimeError.new("lost"))
    CHECKEND.assert_no_problems
    assert_equal [500], CHECKEND.requests.map { |request| request["status"] }
  end
end
