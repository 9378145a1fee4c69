// What nudged answers (docs/api.md), as far as the console shows it.
export type Role = 'ingest' | 'viewer' | 'salesperson' | 'manager' | 'author' | 'operator' | 'admin';
export type Time = string;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Session {
  actor: string;
  roles: Role[];
  csrf: string | null;
  expires?: Time;
}
export interface Task {
  id: string;
  number: number;
  state: string;
  customer: string;
  subject: string;
  team: string;
  owner: string;
  owner_name: string;
  created: Time;
  due: Time | null;
  mandatory: boolean;
  overdue: boolean;
  priority: number | string | null;
  rule: string;
  reason: string;
  payload: Record<string, Json>;
  urgency?: number;
  units?: number;
  /** Nobody has room for it yet. */
  waits?: boolean;
  tries?: number;
  /** When it comes back after a result that leaves it open, as "call back at". */
  again_at?: Time | null;
  /** Offered until then; null when it is no offer. */
  accept_by?: Time | null;
  steps?: { at: Time; what: string; who: string; why: string }[];
  done?: Time;
  disposition?: string;
  note?: string;
  done_by?: string;
}
export interface Disposition {
  name: string;
  description: string;
  closes: boolean;
  asks_time: boolean;
  retry_after?: string;
}
export interface Member {
  id: string;
  name: string;
  capacity: number;
  per_day: number;
  load: number;
  today: number;
  absent: boolean;
  absent_until?: string;
  working: boolean;
}
export interface Team {
  name: string;
  manager: string;
  open: number;
  in_pool: number;
  working: boolean;
  members: Member[];
}
export interface Rule {
  name: string;
  description: string;
  category: string;
  state: 'draft' | 'shadow' | 'active' | 'paused';
  version: number;
  priority: number;
  trigger: string;
  file: string;
  line: number;
  active_since: Time | null;
  members: number | null;
  fired: number;
  last_fired: Time | null;
  held: number;
  held_by: Record<string, number>;
  goal: { event: string; within: string; converted: number; value: number; holdout_fired: number; holdout_converted: number; holdout_value: number } | null;
  actions: number;
  accepted: number;
  failed: number;
  last_error: string;
  last_error_at: Time | null;
}
export interface Segment {
  name: string;
  description: string;
  file: string;
  line: number;
  active_since: Time | null;
  members: number;
  entered: number;
  left: number;
}
export interface Cause {
  kind: string;
  at: Time;
  event_id?: string;
  event_time?: Time;
  key?: string;
}
export interface Decision {
  number: number;
  at: Time;
  rule: string;
  rule_version: number;
  customer: string;
  fired: boolean;
  held?: string;
  held_by?: string;
  step?: number;
  detail?: string;
  cause: Cause;
}
export interface Attempt {
  at?: Time;
  outcome?: string;
  [key: string]: Json | undefined;
}
export interface Action {
  id: string;
  number: number;
  state: string;
  kind: string;
  channel: string;
  category: string;
  rule: string;
  rule_version: number;
  customer: string;
  at: Time;
  changed_at: Time;
  connector: string;
  tries: number;
  reason: string;
  note: string;
  held?: string;
  next_at: Time | null;
  payload?: Record<string, Json>;
  attempts?: Attempt[];
  cause?: Cause;
}
export interface CustomerRow {
  customer: string;
  changed: Time;
  attributes: Record<string, Json>;
  tags: string[];
  segments: string[];
}
export interface Customer {
  customer: string;
  aliases: string[];
  as_of: Time;
  clock: Time;
  attributes: Record<string, Json>;
  /** Names of attributes that are shown masked. */
  masked?: string[];
  tags: string[];
  segments: { name: string; since: Time | null }[];
  traits: Record<string, Json>;
  events_stored: number;
  events: { id: string; time: Time; event: string; data: Record<string, Json> }[];
  waiting_steps: { rule: string; what: string; step?: number; due: Time | null; started: Time | null }[];
  next_due: Time | null;
  decisions: Decision[];
  actions: Action[];
  tasks: Task[];
}
/** A part of an explanation: what it says, whether it holds, and what it was judged by. */
export interface Part {
  text: string;
  holds?: boolean | null;
  value?: Json;
  window?: Json;
  rows?: Json;
  row_times?: Time[];
  until?: Time | null;
  parts?: Part[];
  [key: string]: unknown;
}
export interface QuarantineRecord {
  number: number;
  at: Time;
  code: string;
  field: string;
  reason: string;
  import: boolean;
  raw?: string;
  raw_hex?: string;
}
export interface Connector {
  name: string;
  kind: string;
  fallback: boolean;
  state: string;
  pid: number;
  restarts: number;
  waiting: number;
  under_way: number;
  taken: number;
  accepted: number;
  not_sent: number;
  unknown: number;
  bad_config: string;
  last_error: string;
}
export interface Status {
  version: string;
  ready: boolean;
  accepting: boolean;
  refusal: string;
  counters: Record<string, number>;
  balance: { equation: string; left: number; right: number; holds: boolean }[];
  quarantine_open: number;
  plan: Json;
  shards: Json;
  queue: Json;
  commit: Json;
  disk: Json;
  connectors: Connector[];
}
export interface Version {
  version: number;
  at: Time;
  in_force: boolean;
  origin: string;
  author: string;
  comment: string;
  rolled_back_to: number | null;
  rules: number;
  segments: number;
  digest: string;
}
export interface SourceFile {
  name: string;
  text: string;
}
export interface AuditRecord {
  number: number;
  prev: string;
  at: Time;
  actor: string;
  address: string;
  action: string;
  target: string;
  status: number;
  detail?: string;
  hash: string;
}
export interface User {
  name: string;
  roles: Role[];
  disabled: boolean;
  created: Time | null;
  changed: Time | null;
}
export interface Token {
  id: string;
  name: string;
  roles: Role[];
  created: Time | null;
  expires: Time | null;
  revoked: Time | null;
  created_by: string;
}
