// What `doctor`, `support` and `approval` say, in Simplified Chinese.
#include <array>

#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr std::array kPhrases{std::to_array<Phrase>({
    {"nudged's configuration file, to be looked at too", "nudged 的配置文件，一并检查"},
    {"give --local the data_dir of nudged's configuration", "--local 后面应是 nudged 配置中的 data_dir"},
    {"the way of one event: what was decided on it, what left, and what became of that",
     "一个事件的全过程：作出了哪些决策、发出了什么、结果如何"},
    {"the id that its sender gave it, or an action's", "发送方给出的编号，或动作的编号"},
    {"only this one's; quicker", "只查这个客户，更快"},
    {"{1} of customer {2}", "客户 {2} 的 {1}"},
    {"happened {1}, judged {2}, in block {3} of the log under version {4} of the rules",
     "发生于 {1}，判断于 {2}，在日志块 {3} 中，规则版本 {4}"},
    {"history: it fired nothing", "历史数据：不触发任何规则"},
    {"no rule was triggered", "没有触发任何规则"},
    {"{1} (version {2}) fired", "{1}（版本 {2}）已触发"},
    {"{1} (version {2}) was held back: {3}", "{1}（版本 {2}）被拦下：{3}"},
    {"action {1}: {2}, {3}", "动作 {1}：{2}，{3}"},
    {"{1} tried by {2}: {3}", "{1} 由 {2} 尝试：{3}"},
    {"task for {1}, due {2}, {3}", "任务分给 {1}，截止 {2}，{3}"},
    {"not found in the newest part of the log; there is more: give --customer, or look in the quarantine",
     "在日志的最新部分中没有找到；还有更早的日志：请给出 --customer，或查看隔离区"},
    {"chmod go-w {1}", "chmod go-w {1}"},
    {"the data directory {1} belongs to another user than the one who asks", "{1} 属于另一个用户，而不是当前用户"},
    {"the disk of {1} has room for {2} files only", "{1} 所在的磁盘只能再放 {2} 个文件"},
    {"remove small files, or move to another disk", "删除小文件，或换一块磁盘"},
    {"mend the file; `nudged --config {1} --print-config` shows each setting",
     "请修正该文件；`nudged --config {1} --print-config` 列出每项设置"},
    {"remove it, or mend its name", "请删除，或改正名称"},
    {"others may change {1}", "其他用户可以修改 {1}"},
    {"configuration, catalog and rules are good", "配置、目录和规则都没有问题"},
    {"mend them; a running nudged goes on with those that it has", "请修正；正在运行的 nudged 继续使用原有的设置和规则"},
    {"the last reload was refused; the rules that ran go on", "上一次重新加载被拒绝；原有的规则继续运行"},
    {"nudge check; the log has the messages", "nudge check；详情见日志"},
    {"no backup was ever made", "从未做过备份"},
    {"nudge --local DIR backup create /backup/nudge --keep 14", "nudge --local DIR backup create /backup/nudge --keep 14"},
    {"the last backup is {1} hours old", "上一次备份是 {1} 小时以前"},
    {"see why the one of last night was not made", "请查明昨晚为什么没有备份"},
    {"there is a backup of the last 26 hours", "最近 26 小时内有备份"},
    {"the certificate expires in {1} days", "证书将在 {1} 天后过期"},
    {"put a new one in its place; nudged takes it by itself", "请换上新证书；nudged 会自动使用"},
    {"the certificate is good for {1} days", "证书还有 {1} 天有效"},
    {"rules that go by time are {1} seconds late", "按时间触发的规则晚了 {1} 秒"},
    {"the machine is too slow for what comes in; what is late is still judged at its own instant",
     "机器跟不上收到的数据量；晚到的仍按各自的时刻判断"},
    {"the queue is more than half full", "队列已超过一半"},
    {"senders get 429 when it is full, and come back; look at disk and processor",
     "队列满时发送方得到 429，之后会重发；请查看磁盘和处理器"},
    {"{1} of {2} files are open", "已打开 {1} 个文件，上限 {2} 个"},
    {"raise LimitNOFILE of the service", "请调高服务的 LimitNOFILE"},
    {"lines of the log were lost", "丢失了部分日志"},
    {"its disk is full, or what reads it is gone", "日志所在的磁盘已满，或读取日志的程序已退出"},
    {"the disk can't keep up: no write gets through until it has tidied up", "磁盘跟不上：整理完成之前不能写入"},
    {"wait; if it comes again, a faster disk", "请等待；如果再次出现，请换更快的磁盘"},
    {"stop-all is on since {1}: nothing leaves", "全部停止自 {1} 起生效：不发送任何内容"},
    {"nudge policies says why; nudge stop-all off, when the reason is gone", "原因见 nudge policies；原因消除后执行 nudge stop-all off"},
    {"the brake has stopped the rule {1}", "刹车已停止规则 {1}"},
    {"nudge policies; then nudge rules release or discard", "nudge policies；然后 nudge rules release 或 discard"},
    {"test mode: all messages go to the addresses of test_mode.send_only_to", "测试模式：所有消息只发往 test_mode.send_only_to 中的地址"},
    {"take it out of the configuration and restart", "请从配置中删除并重启"},
    {"{1} actions wait for a person", "{1} 个动作等待人工处理"},
    {"nudge actions --state kept; nudge rules release or discard", "nudge actions --state kept；nudge rules release 或 discard"},
    {"this is nudge {1}, and nudged is {2}", "nudge 的版本是 {1}，nudged 的版本是 {2}"},
    {"restart nudged after an upgrade", "升级之后请重启 nudged"},
    // Approvals
    {"actions that wait for somebody's yes", "等待批准的动作"},
    {"what waits, the most urgent first", "等待批准的动作，最紧急的在前"},
    {"open, approved, rejected, expired or closed", "open 待批、approved 已批准、rejected 已拒绝、expired 过期、closed 已决定"},
    {"only what this member is asked", "只看请此成员批准的"},
    {"the approval's id", "批准请求的 id"},
    {"let it go out", "批准发出"},
    {"it does not go out", "拒绝，不发出"},
    {"nothing waits for a yes", "没有等待批准的动作"},
    {"nothing of this kind", "没有此类记录"},
    {"ELSE", "逾期则"},
    {"ASKED", "批准人"},
    {"DECIDED", "决定时间"},
})};

}  // namespace

std::span<const Phrase> chinese_care() { return kPhrases; }

}  // namespace nudge::cli
