-- The inspection of the peer nginx-expat: the checks of hmaproxy with the means of
-- a careful administrator. expat reads the whole document with its namespaces.
local lxp = require("lxp")

local SOAP = "http://schemas.xmlsoap.org/soap/envelope/|"
local TYPES = "http://schemas.microsoft.com/exchange/services/2006/types|"
local MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages|"
local ENVELOPE, HEADER, BODY = SOAP .. "Envelope", SOAP .. "Header", SOAP .. "Body"
local IMPERSONATION, SID = TYPES .. "ExchangeImpersonation", TYPES .. "ConnectingSID"

local ALLOWED = {["alice@contoso.com"] = true}
local ADDRESSES = {[TYPES .. "SmtpAddress"] = true, [TYPES .. "PrimarySmtpAddress"] = true, [TYPES .. "PrincipalName"] = true}
local BLOCKS = {
    [IMPERSONATION] = true, [TYPES .. "RequestServerVersion"] = true, [TYPES .. "MailboxCulture"] = true,
    [TYPES .. "TimeZoneContext"] = true, [TYPES .. "DateTimePrecision"] = true,
}

-- The state of the document that is being read. nginx reads one document at a time,
-- because no function below waits.
local depth, parts, blocks, inside, address, text, operations, operation, reason

local function refuse(parser, why)
    reason = reason or why
    parser:stop()
end

local function block(parser, name)
    inside = name
    if blocks[name] then return refuse(parser, "a block twice") end
    blocks[name] = true
    if BLOCKS[name] then return end
    if name:sub(1, #TYPES) == TYPES or name:sub(1, #MESSAGES) == MESSAGES then refuse(parser, "an unknown block") end
end

local callbacks = {
    StartElement = function(parser, name)
        depth = depth + 1
        if depth == 1 then
            if name ~= ENVELOPE then refuse(parser, "no SOAP 1.1 envelope") end
        elseif depth == 2 then
            parts = parts .. (name == HEADER and "h" or name == BODY and "b" or "?")
            if parts ~= "h" and parts ~= "b" and parts ~= "hb" then refuse(parser, "a part that is misplaced") end
        elseif parts == "h" then
            if depth == 3 then return block(parser, name) end
            if inside == IMPERSONATION then
                if depth == 4 then
                    if name ~= SID or blocks[SID] then return refuse(parser, "no single ConnectingSID") end
                    blocks[SID] = true
                elseif depth == 5 then
                    if not ADDRESSES[name] or address then return refuse(parser, "no single address") end
                    address, text = "", true
                else
                    refuse(parser, "an element in the address")
                end
            elseif name == IMPERSONATION or name == SID then
                refuse(parser, "a block that is misplaced")
            end
        elseif depth == 3 then
            operations = operations + 1
            if operations > 1 or name:sub(1, #MESSAGES) ~= MESSAGES then return refuse(parser, "no single operation") end
            operation = name:sub(#MESSAGES + 1)
        elseif name == IMPERSONATION or name == SID then
            refuse(parser, "a block that is misplaced")
        end
    end,
    EndElement = function()
        depth, text = depth - 1, false
    end,
    CharacterData = function(_, data)
        if text then address = address .. data end
    end,
    Comment = function(parser)
        if inside == IMPERSONATION and parts == "h" then refuse(parser, "a comment in the address") end
    end,
    ProcessingInstruction = function(parser) refuse(parser, "a processing instruction") end,
    StartDoctypeDecl = function(parser) refuse(parser, "a DOCTYPE") end,
    StartCdataSection = function(parser)
        if text then refuse(parser, "CDATA in the address") end
    end,
}

local function read(body)
    depth, parts, blocks, inside, address, text, operations, operation, reason = 0, "", {}, nil, nil, false, 0, "", nil
    local parser = lxp.new(callbacks, "|")
    local parsed = parser:parse(body) and parser:parse()
    if reason or not parsed then
        pcall(parser.close, parser)
        return reason or "not well-formed"
    end
    parser:close()
    if operations ~= 1 then return "no operation" end
    if not address then return "no mailbox" end
    address = address:match("^%s*(.-)%s*$"):lower()
    if not ALLOWED[address] then return "mailbox not allowed" end
end

local function body()
    ngx.req.read_body()
    local data = ngx.req.get_body_data()
    if data then return data end
    local name = ngx.req.get_body_file()
    if not name then return "" end
    local file = io.open(name)
    data = file:read("*a")
    file:close()
    return data
end

local M = {}

function M.request()
    local why = read(body())
    local var = ngx.var
    var.operation, var.mailbox = operation, address or ""
    local anchor = var.http_x_anchormailbox
    if not why and anchor and not ALLOWED[anchor:lower()] then why = "anchor not allowed" end
    if why then
        var.reason = why
        return ngx.exit(403)
    end
end

function M.count()
    local counters, var = ngx.shared.counters, ngx.var
    counters:incr("requests:" .. var.operation .. ":" .. var.status, 1, 0)
    counters:incr("received", tonumber(var.content_length) or 0, 0)
    counters:incr("sent", tonumber(var.body_bytes_sent) or 0, 0)
    counters:incr("seconds", tonumber(var.request_time) or 0, 0)
    if var.reason ~= "" then counters:incr("denials:" .. var.reason, 1, 0) end
end

return M
