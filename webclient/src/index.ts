export { followFocus, restApi, webPubSubConnection, type HistoryPage, type Rest, type WebPubSubLike } from "./adapters.js";
export { ConversationLog, type HistoryRead, type LogEvent, type Page } from "./log.js";
export {
  Follower,
  type Api,
  type Clock,
  type Connection,
  type ConversationAnswer,
  type FollowerEvent,
  type FollowerOptions,
  type FollowOptions,
  type SyncAnswer,
  type SyncRequest,
} from "./follower.js";
export { changeMessage, ConversationState, messageOfHistory, newMessage, type Message, type Reaction } from "./state.js";
export type { Entry, Gap, HistoryMessage, MessageChange, MessageEntry, Role, RoomChange } from "./wire.js";
