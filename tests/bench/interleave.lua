-- For wrk: requests to many routes at random, and a count of answers that are not 204. wrk ... -- FILE_OF_PATHS

answers, wrong = 0, 0 -- global: done() asks for them
local texts = {}

function setup(thread)
    threads = threads or {}
    threads[#threads + 1] = thread
end

function init(args)
    for line in io.lines(args[1]) do
        texts[#texts + 1] = wrk.format("GET", line)
    end
end

function request()
    return texts[math.random(#texts)]
end

function response(status)
    answers = answers + 1
    if status ~= 204 then
        wrong = wrong + 1
    end
end

function done(summary)
    local all, bad = 0, 0
    for _, thread in ipairs(threads) do
        all = all + thread:get("answers")
        bad = bad + thread:get("wrong")
    end
    local errors = summary.errors
    print(string.format("answers %d wrong %d broken %d", all, bad,
                        errors.connect + errors.read + errors.write + errors.timeout))
end
