// Bodies cut into parts of whole documents, however the bytes happen to come.
#include <doctest/doctest.h>

#include <algorithm>

#include "daemon/app/splitter.h"
#include "daemon/ingest/frame.h"

namespace nudge::daemon {
namespace {

struct Cut {
  std::vector<std::string> documents;
  std::uint64_t lines = 0;
  std::string error;
};

Cut cut(bool array, std::string_view body, std::size_t step, std::size_t most = 1U << 20) {
  Cut out;
  Splitter splitter(array, most);
  const auto take = [&] {
    while (splitter.has_part()) {
      const Splitter::Part part = splitter.part();
      const auto frames = split_body(part.text, array ? Framing::guess : Framing::lines, 1'000'000);
      if (frames) {
        for (const Span& s : frames->spans) out.documents.push_back(part.text.substr(s.offset, s.length));
      } else if (array) {
        out.error = frames.error().message;
      }
      out.lines += part.lines;
      splitter.take_part();
    }
  };
  for (std::size_t at = 0; at < body.size(); at += step) {
    splitter.feed(body.substr(at, step));
    take();
  }
  splitter.end();
  take();
  if (splitter.failed()) out.error = splitter.failed()->message;
  return out;
}

std::string document(int n) {
  return "{\"n\":" + std::to_string(n) + ",\"t\":\"" + std::string(static_cast<std::size_t>(n * 37 % 900), 'x') + ",]}\\\"[\"}";
}

}  // namespace

TEST_CASE("a mark before UTF-8 is skipped, however the bytes come") {
  for (const std::size_t step : {1U, 2U, 3U, 100U}) {
    CHECK(cut(true, "\xef\xbb\xbf[{\"n\":1},{\"n\":2}]", step).documents == std::vector<std::string>{"{\"n\":1}", "{\"n\":2}"});
    CHECK(cut(false, "\xef\xbb\xbf{\"n\":1}\n{\"n\":2}\n", step).documents == std::vector<std::string>{"{\"n\":1}", "{\"n\":2}"});
    CHECK_FALSE(cut(true, "\xbb\xbf[1]", step).error.empty());
  }
}

TEST_CASE("splitter: lines, in whatever pieces they come") {
  std::string body;
  std::vector<std::string> wanted;
  for (int i = 0; i < 1500; ++i) {
    wanted.push_back(document(i));
    body += wanted.back() + (i % 7 == 0 ? "\r\n\n" : "\n");
  }
  const auto lines = static_cast<std::uint64_t>(std::ranges::count(body, '\n'));
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, body.size()}) {
    const Cut got = cut(false, body, step);
    CHECK(got.documents == wanted);
    CHECK(got.lines == lines);
    CHECK(got.error.empty());
    CHECK(cut(false, std::string_view(body).substr(0, body.size() - 1), step).documents == wanted);  // no line end at the end
  }
  CHECK(cut(false, "\n \n\n", 1).documents.empty());
  const Cut tiny = cut(false, std::string(400'000, '\n'), 400'000);
  CHECK(tiny.lines == 400'000);
  const Cut longest = cut(false, "{}\n" + std::string(5000, 'x') + "\n{}", 100, 4096);
  CHECK(longest.error.find("line 2 is longer than 4096 bytes") == 0);
}

TEST_CASE("splitter: one array of any length") {
  std::string body = " \n[";
  std::vector<std::string> wanted;
  for (int i = 0; i < 1500; ++i) {
    wanted.push_back(document(i));
    body += (i != 0 ? ", " : "") + wanted.back() + (i % 5 == 0 ? "\n" : "");
  }
  for (const std::size_t step : {std::size_t{1}, std::size_t{13}, std::size_t{5000}, body.size() + 3}) {
    const Cut got = cut(true, body + "]\n ", step);
    CHECK(got.documents == wanted);
    CHECK(got.error.empty());
    const Cut open = cut(true, body, step);
    CHECK(open.error.find("does not end") != std::string::npos);
    CHECK(std::equal(open.documents.begin(), open.documents.end(), wanted.begin()));
    CHECK(open.documents.size() == 1499);
    CHECK(cut(true, body + ",", step).error.find("does not end") != std::string::npos);
    CHECK(!cut(true, body + ",]", step).error.empty());
    CHECK(cut(true, body + "] x", step).error.find("after the end") != std::string::npos);
  }
  CHECK(cut(true, "[]", 1).documents.empty());
  CHECK(cut(true, "[]", 1).error.empty());
  CHECK(cut(true, "{}", 1).error.find("application/x-ndjson") != std::string::npos);
  CHECK(!cut(true, "", 1).error.empty());
  CHECK(cut(true, "[1,,2]", 1).error.find("empty place") != std::string::npos);
}

}  // namespace nudge::daemon
