-- Defines the request that every client sends, and prints the numbers of a run as one
-- line of JSON.
local file = io.open("{{.Dir}}/request.xml")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Host"] = "localhost"
wrk.headers["User-Agent"] = "ExchangeServicesClient/15.00.0847.030"
wrk.headers["Content-Type"] = "text/xml; charset=utf-8"
wrk.headers["Accept"] = "text/xml"
wrk.headers["X-AnchorMailbox"] = "alice@contoso.com"
wrk.headers["Authorization"] = "{{.Authorization}}"

function done(summary, latency)
    local e = summary.errors
    io.write(string.format('\n{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
