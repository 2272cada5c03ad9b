-- Reports of about 1.7 kB with 30 frames, for wrk. MODE: distinct, repeating (200 known backtraces) or storm (one).
-- Each sender has its own numbers, so that distinct reports are distinct in all rounds: OFFSET.
local key = os.getenv("KEY")
local mode = os.getenv("MODE")
local number = tonumber(os.getenv("OFFSET") or "0")
local frames = {}
for i = 1, 29 do
  frames[i] = string.format('"/srv/app/%d.py:%d in function_number_%d"', i, i * 7, i)
end
local shared = table.concat(frames, ",")
local headers = { ["Content-Type"] = "application/json", ["Checkend-Ingestion-Key"] = key }
local form = '{"error":{"class":"ValueError","message":"invalid literal %d","backtrace":[%s,"/srv/app/shop/last_%d.py:%d in fail_%d"]},'
  .. '"context":{"environment":"production","hostname":"web-1","revision":"abc123"},'
  .. '"request":{"url":"https://shop.example/cart/%d","method":"POST","headers":{"User-Agent":"Mozilla/5.0","Accept":"text/html"}},'
  .. '"user":{"id":%d,"email":"a@example.com"},'
  .. '"notifier":{"name":"checkend-python","version":"1.0.0","language":"python","language_version":"3.11.7"}}'

function request()
  number = number + 1
  local n = number
  if mode == "repeating" then n = number % 200 end
  if mode == "storm" then n = 1 end
  local place = n % 500
  local body = string.format(form, n, shared, place, n, place, n % 30, n % 40)
  return wrk.format("POST", "/ingest/v1/errors", headers, body)
end

function done(summary, latency)
  print(string.format("RESULT %d %d %d %f %f", summary.requests, summary.duration, summary.errors.status
    + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
