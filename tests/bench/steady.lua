-- For wrk: every connection waits between two requests, at random and PAUSE_MS in the mean, so that
-- they do not all come at once. wrk ... -- PAUSE_MS

local longest = 0

function init(args)
    longest = 2 * tonumber(args[1])
end

function delay()
    return math.random(0, longest)
end
