#include "engine/plan/template_bytes.h"

namespace nudge {
namespace {

using Kind = TemplatePart::Kind;

class Bytes {
 public:
  Bytes(Writer& out, TemplateIds& ids) : out_(out), ids_(ids) {}

  void parts(const std::vector<TemplatePart>& parts) {
    out_.varint(parts.size());
    for (const TemplatePart& p : parts) part(p);
  }

 private:
  void part(const TemplatePart& p) {
    out_.u8(static_cast<std::uint8_t>(p.kind));
    out_.string(p.text);
    ids_.expr(out_, p.expr);
    out_.varint(p.filters.size());
    for (const Filter& filter : p.filters) {
      // A filter whose argument is a variable has a number that no filter has.
      out_.u8(static_cast<std::uint8_t>(static_cast<unsigned>(filter.fn) + (filter.operand != nullptr ? 128U : 0U)));
      out_.varint(filter.args.size());
      for (const std::string& arg : filter.args) out_.string(arg);
      if (filter.operand != nullptr) part(*filter.operand);
    }
    if (p.kind > Kind::now) logic(p);
  }

  void logic(const TemplatePart& p) {
    out_.varint(p.slot);
    encode_value(out_, p.literal.view());
    switch (p.kind) {
      case Kind::segment: ids_.node(out_, p.node); break;
      case Kind::band: ids_.score(out_, p.ref); break;
      case Kind::owner_field: ids_.attribute(out_, p.ref); break;
      case Kind::row_field: ids_.field(out_, p.event, p.ref); break;
      default: out_.varint(p.ref);
    }
    if (p.block != nullptr) block(*p.block);
  }

  void block(const TemplateBlock& b) {
    out_.varint(b.branches.size());
    for (const TemplateBlock::Branch& branch : b.branches) {
      out_.u8(static_cast<std::uint8_t>((branch.otherwise ? 1U : 0U) + (branch.negated ? 2U : 0U)));
      if (!branch.otherwise) test(branch.test);
      parts(branch.parts);
    }
    ids_.field(out_, b.event, b.same);
    out_.varint(b.limit);
    out_.varint(b.offset);
    out_.u8(b.reversed ? 1 : 0);
    parts(b.list);
    parts(b.parts);
    parts(b.otherwise);
  }

  void test(const TemplateTest& t) {
    out_.u8(static_cast<std::uint8_t>(t.kind));
    out_.u8(static_cast<std::uint8_t>(t.op));
    out_.u8(static_cast<std::uint8_t>(t.against));
    part(t.left);
    part(t.right);
    out_.varint(t.children.size());
    for (const TemplateTest& child : t.children) test(child);
  }

  Writer& out_;
  TemplateIds& ids_;
};

}  // namespace

void put_template(Writer& out, const Template& t, TemplateIds& ids) {
  Bytes(out, ids).parts(t.parts);
  if (t.language.empty() && t.translations.empty()) return;
  out.string(t.language);
  out.varint(t.translations.size());
  for (const Template::Translation& translation : t.translations) {
    out.string(translation.language);
    ids.text(out, translation.text);
  }
  if (!t.translations.empty()) ids.attribute(out, t.language_attribute);
}

}  // namespace nudge
