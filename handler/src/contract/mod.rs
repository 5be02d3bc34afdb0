//! One suite per port: its contract, sentence by sentence, as test cases. Every adapter and every wrapper runs them:
//!
//! ```ignore
//! contract_suite!(log, MemoryLog::new);                // a function that makes an adapter
//! contract_suite!(log, |dir| open_file_log(dir).await); // an expression that opens one in a fresh directory
//! ```
//!
//! A case is an `async fn` that takes `make`. The cases of the second list call it again after dropping the first
//! adapter, and expect to find everything there; they run where a directory is given.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the suites are tests, whoever builds them")]

pub mod attachments;
pub mod audit;
pub mod data;
pub mod dead_letters;
pub mod erasures;
pub mod handled;
pub mod inbox;
pub mod invitations;
pub mod leases;
pub mod log;
pub mod members;
pub mod moderator;
pub mod profiles;
pub mod queue;
pub mod replay;
pub mod reviews;
pub mod rooms;
pub mod sanctions;
pub mod transport;
pub mod uploads;
pub mod usage;

#[doc(hidden)]
pub use tempfile::tempdir;

/// Yields one test per case of a port's suite: this is the index of all contracts.
#[macro_export]
macro_rules! contract_suite {
    (log, $($make:tt)*) => {
        $crate::contract_tests!(log, [
            opening_makes_a_head_and_changes_nothing_when_it_is_there,
            an_append_never_makes_a_head,
            entries_are_numbered_without_gaps_and_messages_alone,
            conversations_count_for_themselves,
            concurrent_appenders_leave_no_gap,
            readers_never_see_an_entry_without_its_predecessor,
            a_marker_counts_once,
            a_marker_counts_once_whoever_races,
            a_marker_outlives_trim_close_and_reopening,
            a_marker_is_found_where_its_entry_stands,
            a_refusal_takes_no_seq_and_leaves_no_marker,
            only_messages_above_the_floor_are_targets,
            an_entry_may_be_about_one_of_the_same_call,
            a_closed_conversation_takes_nothing_new,
            an_append_is_all_or_none,
            an_entry_may_ask_to_stand_directly_behind_another,
            an_edit_replaces_content_in_the_state_alone,
            a_deletion_blanks_every_copy_of_the_content,
            reactions_are_set_not_toggled,
            a_message_has_a_bounded_number_of_emoji,
            a_message_has_a_bounded_number_of_reactions,
            a_deleted_message_has_no_reactions,
            a_message_has_a_bounded_number_of_edits,
            pins_are_set_not_toggled,
            a_deletion_unpins,
            a_bounded_number_of_messages_is_pinned,
            racing_pins_stay_within_their_bound,
            states_are_read_by_seq,
            messages_page_in_both_directions,
            entries_page_forward,
            the_sent_mark_is_clamped_and_only_raised,
            trim_raises_the_floor_and_removes_what_is_below,
            trim_of_a_long_log_removes_all_of_it,
            trim_unpins_what_it_removes,
            redaction_takes_what_a_user_put_into_entries_and_states,
            redaction_loses_nothing_that_is_appended_meanwhile,
            conversations_are_listed_by_id_behind_the_cursor,
            every_field_comes_back_as_it_was,
            odd_ids_and_content_come_back_as_they_were
        ], [
            everything_is_there_again,
            a_trimmed_log_goes_on_counting
        ], $($make)*);
    };
    (rooms, $($make:tt)*) => {
        $crate::contract_tests!(rooms, [
            a_created_room_is_there,
            creating_the_very_same_row_again_is_fine,
            ids_and_names_are_unique,
            one_of_two_racing_for_a_name_wins,
            rooms_are_listed_by_id_behind_the_cursor,
            an_update_replaces_the_row_and_moves_the_name,
            one_of_two_racing_updates_wins,
            one_of_two_racing_to_rename_wins,
            an_update_never_brings_back_a_deleted_room,
            a_search_finds_names_by_their_beginning,
            a_search_goes_on_behind_its_cursor,
            a_search_finds_rooms_by_their_present_names,
            odd_names_are_found,
            a_deleted_room_frees_its_name,
            another_room_of_the_same_id_is_left_alone,
            odd_names_come_back_as_they_were
        ], [everything_is_there_again], $($make)*);
    };
    (members, $($make:tt)*) => {
        $crate::contract_tests!(members, [
            adding_keeps_the_row_that_is_there,
            a_confirmation_notes_the_entry,
            removal_answers_whether_it_was_there,
            a_later_membership_is_left_alone,
            counts_follow_joins_and_leaves,
            concurrent_joins_are_all_counted,
            members_are_listed_by_user_behind_the_cursor,
            rooms_are_listed_by_id_behind_the_cursor,
            a_role_is_set_and_nothing_else,
            a_role_and_a_mark_at_once_are_both_kept,
            marks_are_only_raised,
            concurrent_marks_end_at_the_farthest,
            odd_user_ids_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (inbox, $($make:tt)*) => {
        $crate::contract_tests!(inbox, [
            items_wait_in_order_of_their_keys,
            an_item_is_stored_once,
            pages_have_exclusive_cursors_in_both_directions,
            acknowledging_takes_keys_and_message_ids,
            a_read_mark_finishes_a_conversation_up_to_its_seq,
            a_done_item_stays_done,
            receivers_do_not_see_each_other,
            odd_ids_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (sanctions, $($make:tt)*) => {
        $crate::contract_tests!(sanctions, [
            a_sanction_is_there_by_user_and_kind,
            a_sanction_replaces_the_one_of_its_kind,
            sanctions_are_listed_by_user_behind_the_cursor,
            removal_takes_this_row_and_no_other,
            another_row_is_not_noted_as_applied,
            what_is_not_applied_is_listed_for_all_rooms,
            work_under_way_is_gone_through_in_an_order_that_stays,
            what_is_over_is_listed_once_it_is_applied,
            a_late_note_never_covers_a_new_sanction,
            odd_user_ids_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (invitations, $($make:tt)*) => {
        $crate::contract_tests!(invitations, [
            an_invitation_is_stored_once,
            a_user_uses_it_up_once,
            it_ends_with_its_time,
            racing_users_use_no_more_than_there_is,
            invitations_are_listed_by_id_behind_the_cursor,
            a_revoked_one_lets_nobody_in,
            odd_ids_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (profiles, $($make:tt)*) => {
        $crate::contract_tests!(profiles, [
            profiles_come_in_the_order_asked,
            a_profile_replaces_the_former_but_for_last_seen,
            last_seen_is_only_raised,
            a_sign_out_is_only_raised_and_stays,
            a_blanked_profile_keeps_the_sign_out_alone,
            concurrent_changes_lose_nothing,
            odd_user_ids_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (uploads, $($make:tt)*) => {
        $crate::contract_tests!(uploads, [
            a_row_is_reserved_once,
            rows_come_in_the_order_asked,
            a_users_bytes_stay_within_their_quota,
            racing_reservations_stay_within_the_quota,
            the_first_message_has_it,
            what_waits_is_due_at_its_time,
            a_users_rows_are_theirs_alone
        ], [everything_is_there_again], $($make)*);
    };
    (attachments, $($make:tt)*) => {
        $crate::contract_tests!(attachments, [
            what_is_stored_is_read_again,
            small_and_empty_files_are_looked_at,
            what_is_stored_is_never_replaced,
            a_link_is_for_one_thing,
            a_link_that_was_changed_is_of_no_use,
            a_link_ends,
            what_is_removed_is_gone
        ], [], $($make)*);
    };
    (erasures, $($make:tt)*) => {
        $crate::contract_tests!(erasures, [
            a_row_takes_the_place_of_the_users_former_one,
            what_is_done_stays_and_is_not_under_way,
            odd_user_ids_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (leases, $($make:tt)*) => {
        $crate::contract_tests!(leases, [
            a_lease_replaces_its_connections_former,
            who_has_a_confirmed_one_is_online,
            removal_tells_whether_it_was_there,
            leases_are_listed_by_user_and_connection_behind_the_cursor,
            connections_come_and_go_at_once,
            odd_ids_are_kept_apart
        ], [], $($make)*);
    };
    (handled, $($make:tt)*) => {
        $crate::contract_tests!(handled, [
            an_event_is_noted_once,
            what_is_old_is_forgotten,
            a_repeat_is_forgotten_with_the_first,
            many_are_forgotten_in_rounds,
            one_of_two_racing_stays,
            odd_names_are_kept_apart
        ], [everything_is_there_again], $($make)*);
    };
    (usage, $($make:tt)*) => {
        $crate::contract_tests!(usage, [
            the_last_word_of_each_counts,
            who_is_forgotten_may_come_again,
            the_longest_and_the_emptiest_come_back_as_they_were,
            all_tell_at_once,
            odd_names_are_kept_apart
        ], [], $($make)*);
    };
    (dead_letters, $($make:tt)*) => {
        $crate::contract_tests!(dead_letters, [
            letters_are_listed_oldest_first_behind_the_cursor,
            a_letter_is_stored_once,
            kinds_are_apart,
            removal_answers_the_letter_once,
            one_letter_is_found,
            replays_are_noted_and_bring_nothing_back,
            odd_keys_and_bodies_come_back_as_they_were
        ], [everything_is_there_again], $($make)*);
    };
    (reviews, $($make:tt)*) => {
        $crate::contract_tests!(reviews, [
            a_review_is_opened_once,
            open_ones_are_listed_oldest_first_behind_the_cursor,
            one_of_two_changes_wins,
            what_is_done_is_listed_no_more,
            all_are_gone_through_page_by_page,
            removal_tells_whether_it_was_there,
            odd_and_large_ones_come_back_as_they_were
        ], [everything_is_there_again], $($make)*);
    };
    (moderator, $($make:tt)*) => {
        $crate::contract_tests!(moderator, [
            harmless_texts_are_allowed,
            the_worst_is_rejected,
            any_text_is_judged_and_no_mask_is_longer,
            the_same_question_has_the_same_answer,
            a_repeat_of_a_message_is_never_worse
        ], [], $($make)*);
    };
    (audit, $($make:tt)*) => {
        $crate::contract_tests!(audit, [
            records_are_listed_newest_first_before_the_cursor,
            a_key_is_recorded_once,
            racing_records_of_a_key_are_one,
            an_outcome_is_settled_once,
            what_is_over_is_forgotten_in_rounds,
            a_forgotten_key_is_new_again,
            odd_texts_come_back_as_they_were
        ], [everything_is_there_again], $($make)*);
    };
    (transport, $($make:tt)*) => {
        $crate::contract_tests!(transport, [
            a_group_gets_what_is_published_in_order,
            what_is_published_arrives_as_it_is,
            the_largest_message_arrives,
            one_connection_is_sent_to,
            who_is_admitted_hears_and_may_come_and_go,
            who_is_expelled_hears_nothing_and_cannot_return,
            a_right_of_the_token_is_taken_too,
            who_is_not_there_is_passed_over,
            a_closed_connection_is_told_why,
            all_connections_of_a_user_end_and_nobody_elses,
            connections_are_listed_by_id_behind_the_cursor,
            a_user_of_any_name_gets_in,
            it_answers
        ], [], $($make)*);
    };
    (queue, $($make:tt)*) => {
        $crate::contract_tests!(queue, [
            a_message_comes_as_it_was_sent,
            a_session_is_in_sending_order,
            a_batch_is_of_one_session_and_at_most_max,
            a_session_has_one_holder,
            a_held_session_holds_up_no_other,
            sessions_take_turns,
            what_is_completed_never_comes_again,
            what_is_abandoned_comes_again_after_its_delay,
            abandoning_gives_back_what_is_behind,
            dropping_is_abandoning,
            a_lock_ends,
            a_lock_that_is_renewed_lasts,
            a_late_completion_is_an_error,
            a_batch_may_be_settled_in_any_order,
            receiving_waits_for_a_message,
            a_dropped_receive_takes_nothing,
            a_dropped_send_is_whole_or_not_at_all,
            too_large_is_refused,
            nothing_is_lost_doubled_or_turned_around_under_load
        ], [
            what_waits_is_there_again,
            no_sequence_number_is_given_twice
        ], $($make)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    // Locks and delays are time, and its cases let it fly.
    (queue, $($suite:tt)*) => {
        $crate::contract_tests!(@(start_paused = true) queue, $($suite)*);
    };
    (@$runtime:tt $port:ident, [$($case:ident),*], [$($reopened:ident),*], |$dir:ident| $make:expr) => {
        $(
            #[tokio::test $runtime]
            async fn $case() {
                let temporary = $crate::contract::tempdir().unwrap();
                let $dir = temporary.path();
                $crate::contract::$port::$case(async || $make).await;
            }
        )*
        $(
            #[tokio::test $runtime]
            async fn $reopened() {
                let temporary = $crate::contract::tempdir().unwrap();
                let $dir = temporary.path();
                $crate::contract::$port::$reopened(async || $make).await;
            }
        )*
    };
    (@$runtime:tt $port:ident, [$($case:ident),*], [$($reopened:ident),*], $make:expr) => {
        $(
            #[tokio::test $runtime]
            async fn $case() {
                $crate::contract::$port::$case(async || ($make)()).await;
            }
        )*
    };
    ($port:ident, $($suite:tt)*) => {
        $crate::contract_tests!(@(flavor = "multi_thread", worker_threads = 2) $port, $($suite)*);
    };
}

#[cfg(test)]
mod tests {
    /// A case that stands in no list would never run.
    #[test]
    fn every_case_is_listed() {
        let suites = [
            ("log", include_str!("log.rs")),
            ("rooms", include_str!("rooms.rs")),
            ("members", include_str!("members.rs")),
            ("sanctions", include_str!("sanctions.rs")),
            ("invitations", include_str!("invitations.rs")),
            ("profiles", include_str!("profiles.rs")),
            ("erasures", include_str!("erasures.rs")),
            ("leases", include_str!("leases.rs")),
            ("inbox", include_str!("inbox.rs")),
            ("dead_letters", include_str!("dead_letters.rs")),
            ("reviews", include_str!("reviews.rs")),
            ("moderator", include_str!("moderator.rs")),
            ("audit", include_str!("audit.rs")),
            ("queue", include_str!("queue.rs")),
            ("transport", include_str!("transport.rs")),
            ("usage", include_str!("usage.rs")),
            ("handled", include_str!("handled.rs")),
            ("uploads", include_str!("uploads.rs")),
            ("attachments", include_str!("attachments.rs")),
        ];
        for (port, suite) in suites {
            let lists = include_str!("mod.rs").split(&format!("contract_tests!({port},")).nth(1).unwrap();
            let lists = lists.split("$($make)*);").next().unwrap();
            let listed: Vec<&str> = lists.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
            for line in suite.lines() {
                let Some(name) = line.strip_prefix("pub async fn ") else { continue };
                let name = name.split(['<', '(']).next().unwrap();
                assert!(listed.contains(&name), "{port}: {name} is in no list");
            }
        }
    }
}
