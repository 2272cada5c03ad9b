# A Checkend server for the time of a test run. Needs `checkend` on the PATH (or named by CHECKEND), nothing else.
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

    def wait_for_problem(**wanted) = ask("GET", "/wait", wanted)["problem"]
    def assert_no_problems(within: 0) = ask("GET", "/wait", count: 0, timeout: within)
    def set_fault(**fault) = ask("POST", "/faults", {}, fault)
    def requests = ask("GET", "/journal")["requests"]
    def reset = ask("POST", "/reset")

    def stop
      @input.close
      @thread.value
    end

    private

    def ask(method, path, query = {}, body = nil)
      uri = URI("#{@url}/_fixture#{path}?#{URI.encode_www_form(query)}")
      answer = Net::HTTP.start(uri.host, uri.port) { |http| http.send_request(method, uri, body&.to_json) }
      value = answer.body.to_s.empty? ? nil : JSON.parse(answer.body)
      raise value["error"] unless answer.is_a?(Net::HTTPSuccess)
      value
    end
  end
end

CHECKEND = Checkend::Fixture.new
Minitest.after_run { CHECKEND.stop }

class ReportTest < Minitest::Test
  def setup = CHECKEND.reset

  # Stands for your program and its SDK.
  def report(error)
    body = { error: { class: error.class.name, message: error.message, backtrace: error.backtrace } }
    headers = { "Content-Type" => "application/json", "Checkend-Ingestion-Key" => CHECKEND.env["CHECKEND_API_KEY"] }
    Net::HTTP.post(URI("#{CHECKEND.env["CHECKEND_ENDPOINT"]}/ingest/v1/errors"), body.to_json, headers)
  end

  def test_an_error_arrives
    Integer("twelve")
  rescue ArgumentError => error
    Thread.new { report(error) }
    assert_equal 1, CHECKEND.wait_for_problem(error_class: "ArgumentError", message: "twelve")["notices_count"]
  end

  def test_a_failure_of_the_server_harms_nobody
    CHECKEND.set_fault(status: 500, times: 1)
    report(RuntimeError.new("lost"))
    CHECKEND.assert_no_problems
    assert_equal [500], CHECKEND.requests.map { |request| request["status"] }
  end
end
