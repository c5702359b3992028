// An OAuthClientProvider in memory, and the person behind it: signs in by following where the client sends her.
//
//   {"client_id": registered beforehand, "back": redirect URI, "follows": false: only notes where she would be sent,
//    "scope": asked for in place of what the library would, "is_offline": wants a refresh token, "tokens": had before}

const LONGEST_WAY = 8;

export class Person {
    redirects = [];
    hops = [];
    saved = [];

    constructor({client_id, back, follows, scope, is_offline, tokens}) {
        this.redirectUrl = back ?? "http://localhost:33418/back";
        this.follows = follows ?? false;
        this.isOffline = is_offline ?? false;
        this.scope = scope;
        this.client = client_id && {client_id};
        this.held = tokens;
        this.clientMetadata = {
            client_name: "interop", redirect_uris: [this.redirectUrl], token_endpoint_auth_method: "none",
            grant_types: ["authorization_code", ...(this.isOffline ? ["refresh_token"] : [])],
        };
    }

    state = () => (this.expected = crypto.randomUUID());
    clientInformation = () => this.client;
    saveClientInformation = (given) => void (this.client = given);
    tokens = () => this.held;
    saveTokens = (tokens) => void this.saved.push(this.held = tokens);
    // A client that was refused its tokens goes on without; the client id was not registered for nothing.
    invalidateCredentials = (what) => void (["all", "tokens"].includes(what) && (this.held = undefined));
    saveCodeVerifier = (verifier) => void (this.verifier = verifier);
    codeVerifier = () => this.verifier;
    discoveryState = () => this.discovered;
    saveDiscoveryState = (discovered) => void (this.discovered = discovered);

    async redirectToAuthorization(url) {
        this.redirects.push(String(url));
        if (this.follows) {
            this.callback = await this.#signIn(this.#asked(new URL(url)));
        }
    }

    #asked(url) {
        const scope = this.scope ?? url.searchParams.get("scope");
        if (this.isOffline && !scope.split(" ").includes("offline_access")) {
            url.searchParams.set("scope", `${scope} offline_access`);
        } else if (this.scope) {
            url.searchParams.set("scope", scope);
        }
        return url;
    }

    // A browser's way, up to the client's own address.
    async #signIn(url) {
        for (let hop = 0; hop < LONGEST_WAY; hop++) {
            const answer = await fetch(url, {redirect: "manual"});
            const location = answer.headers.get("location");
            this.hops.push({url: String(url), status: answer.status, location,
                text: location === null ? await answer.text() : undefined});
            if (location === null) {
                return undefined;
            }
            url = new URL(location, url);
            if (location.startsWith(`${this.redirectUrl}?`)) {
                return url.searchParams;
            }
        }
        throw new Error("redirected around");
    }

    // What came back, once. A state of somebody else's is not ours.
    takeCallback() {
        const callback = this.callback;
        this.callback = undefined;
        if (callback && callback.get("state") !== this.expected) {
            throw new Error("another state came back");
        }
        return callback?.get("code") ? callback : undefined;
    }
}
