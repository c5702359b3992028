-- For wrk: every request bears the next token of a file, then waits. wrk ... -- FILE DELAY_MS

local tokens, at, pause_ms = {}, 0, 0

function init(args)
    for line in io.lines(args[1]) do
        tokens[#tokens + 1] = line
    end
    pause_ms = tonumber(args[2])
end

function delay()
    return pause_ms
end

function request()
    at = at % #tokens + 1
    wrk.headers["Authorization"] = "Bearer " .. tokens[at]
    return wrk.format()
end
