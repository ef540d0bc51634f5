// uWebSockets' own publish, as a group's server: everything that one subscriber sends goes to all of them. It says just enough
// around it for `imd-bench group --dialect jim` to drive it and to account for every delivery. It stores nothing, knows nobody
// and looks into no message.
//
//   publish PORT
#include "App.h"

#include <cstdlib>
#include <iostream>
#include <string>

int main(int argc, char **argv) {
    int port = argc > 1 ? std::atoi(argv[1]) : 9002;
    struct Nobody {};
    std::string pushed;
    uWS::App app;
    app.ws<Nobody>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 64 * 1024,
        .idleTimeout = 960,
        // Nobody is dropped: every delivery counts.
        .maxBackpressure = 0,
        .closeOnBackpressureLimit = false,
        .resetIdleTimeoutOnSend = false,
        .sendPingsAutomatically = false,
        .upgrade = nullptr,
        .open = [](auto *ws) {
            ws->send(R"({"code":10007,"command":6,"msg":"ok"})", uWS::OpCode::TEXT, false);
            ws->subscribe("group");
        },
        .message = [&](auto *ws, std::string_view message, uWS::OpCode) {
            // The answer first: it would push out what has been gathered for this subscriber.
            ws->send(R"({"command":12,"code":10001,"msg":"ok"})", uWS::OpCode::TEXT, false);
            pushed.assign(R"({"command":11,"data":)");
            pushed.append(message);
            pushed.push_back('}');
            app.publish("group", pushed, uWS::OpCode::TEXT, false);
        },
    });
    // What the load generator asks before it begins: users, a group, and the group's name.
    auto answers = [](const char *body) {
        return [body](auto *res, auto *) { res->end(body); };
    };
    app.post("/im/vanke/initUser", answers(R"({"code":200,"msg":"success"})"));
    app.post("/im/creat/group", answers("{}"));
    app.post("/im/conv/list", answers(R"([{"conv_id":"group"}])"));
    app.listen("127.0.0.1", port, [port](auto *socket) {
        if (!socket) {
            std::cerr << "port " << port << " is taken" << std::endl;
            std::exit(1);
        }
    });
    app.run();
}
