"""What servers of agents are known to get wrong, and the tests that show each fault absent here.

docs/migrating.md tells the same to users. A name that no test bears any longer fails.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

SHOWN_BY = {
    # nodes that race pass the limit per call
    1: ["test_a_race_never_passes_a_limit", "test_limits_hold_across_launchers_on_one_store"],
    # the limit in all counts one node
    2: ["test_a_race_never_passes_a_limit", "test_limits_count_the_sessions_of_all_nodes"],
    # a slow or hung create_agent holds up every start
    3: ["test_a_slow_create_agent_holds_up_nobody", "test_a_start_that_hangs_ends_at_its_timeout_and_holds_up_nobody"],
    # a start looks at the whole database
    4: ["test_no_query_of_a_call_looks_at_the_whole_database"],
    # a call id can count, or read, another's sessions
    5: ["test_any_call_id_is_safe", "test_a_bad_call_id_is_400_everywhere"],
    # a full server says ready, and 429 says nothing of when
    6: ["test_a_full_server_is_unready_only_if_asked_to_be", "test_a_limit_is_429_with_retry_after"],
    # sessions of a killed node go on living in the records
    7: ["test_a_silent_node_is_known_lost"],
    # a lost record never comes back
    8: ["test_a_lost_record_is_written_again", "test_a_flush_is_healed_by_the_next_refresh"],
    # one blocked loop loses all records of its node
    9: ["test_a_blocked_loop_costs_no_session_its_record", "test_a_blocked_loop_takes_its_own_sessions_for_living"],
    # one agent's exception ends the maintenance
    10: ["test_an_agent_that_cannot_answer_hurts_only_itself", "test_a_registry_that_fails_costs_no_call"],
    # an agent stuck before its join never ends
    11: ["test_the_longest_duration_counts_from_the_start_joined_or_not", "test_a_start_that_takes_too_long_is_ended"],
    # a hundred operations at once fail
    12: [
        "test_hundreds_of_operations_at_once",
        "test_hundreds_of_queries_at_once",
        "test_hundreds_that_end_at_once_leave_nothing",
    ],
    # a close request is forgotten, or taken for the dead
    13: ["test_a_request_lives_as_long_as_its_session", "test_who_does_not_live_cannot_be_closed"],
    # a call that failed leaves no trace
    14: [
        "test_a_call_that_fails_after_its_start_is_listed_with_its_reason",
        "test_an_agent_that_fails_after_202_stands_in_the_listing",
    ],
    # an agent is not always closed
    15: ["test_the_agent_is_closed_however_its_call_ends", "test_an_agent_that_cannot_be_warmed_up_is_closed"],
    # a session is forgotten before its agent has left
    16: [
        "test_a_session_is_known_while_its_agent_is_leaving",
        "test_a_place_is_given_back_when_the_agent_has_left_and_not_before",
        "test_a_join_call_that_ignores_its_cancellation_is_no_ghost",
    ],
    # stop does not wait for those that are leaving
    17: ["test_stop_waits_for_all_agents_those_that_are_leaving_too"],
    # SIGTERM cuts every call
    18: ["test_a_drained_launcher_lets_its_sessions_finish_and_takes_no_new_one"],
    # a failed start cannot be repeated
    19: ["test_a_start_whose_warm_up_fails_may_be_repeated"],
    # an error in a call that has ended comes out as another
    20: ["test_an_error_in_the_block_comes_out_as_itself"],
    # an agent joins a second time
    21: ["test_one_agent_joins_once"],
    # a second closer returns too early; a failing step skips the rest
    22: [
        "test_a_second_closer_waits_for_the_first",
        "test_every_step_of_closing_runs_although_others_fail_or_hang",
    ],
    # a close waits for the next poll
    23: [
        "test_a_request_wakes_its_owner_at_once",
        "test_a_close_request_acts_at_once_here_and_with_the_next_look_from_elsewhere",
    ],
    # a second warm-up returns before the first has finished
    24: ["test_what_agents_share_is_loaded_once_and_a_second_warm_up_waits_for_the_first"],
    # other settings share one resource
    25: ["test_components_of_equal_settings_share_and_others_do_not"],
    # nothing is loaded again and again; a cached taking-up is not awaited
    26: ["test_nothing_is_a_resource_too", "test_an_async_taking_up_is_awaited_first_time_and_from_the_cache"],
    # a start needs a download
    27: ["test_its_filter_needs_no_download"],
    # False allows
    28: ["test_false_denies"],
    # any site may come with credentials
    29: ["test_any_origin_may_ask_but_never_with_credentials"],
    # anybody's variables change the settings
    30: ["test_variables_without_the_prefix_say_nothing"],
    # two answers, two moments of start
    31: ["test_a_session_started_at_is_one_moment_wherever_it_is_told"],
    # a body of defaults is asked for; nothing can be listed
    32: ["test_the_body_may_be_absent", "test_listings_tell_ends_filter_and_page"],
    # figures are old, lose their weight, and hide errors
    33: [
        "test_metrics_are_all_25_and_of_this_moment",
        "test_figures_keep_their_weight",
        "test_errors_of_all_sessions_are_told_to_prometheus_once_each",
        "test_prometheus_figures_count_sessions_and_name_none",
    ],
    # a session cannot be told anything
    34: ["test_call_type_and_parameters_reach_the_agent_file", "test_parameters_reach_both_functions"],
    # all agents share one loop, idle ones cost
    35: ["test_one_session_ends_with_its_reason_and_its_neighbours_go_on", "test_a_thousand_sessions_in_one_launcher"],
    # an application of one's own has no launcher
    36: ["test_an_application_whose_lifespan_starts_no_launcher_gets_one_started"],
}


def names() -> set[str]:
    """Every test function of the suite; some stand in files that several suites share."""
    trees = (ast.parse(path.read_text()) for path in TESTS.rglob("*.py"))
    functions = (node for tree in trees for node in ast.walk(tree))
    return {node.name for node in functions if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.fixture(scope="module")
def known() -> set[str]:
    return names()


def test_no_number_is_left_out() -> None:
    assert sorted(SHOWN_BY) == list(range(1, 37))


@pytest.mark.parametrize("number", SHOWN_BY)
def test_each_is_shown_absent(number: int, known: set[str]) -> None:
    assert [name for name in SHOWN_BY[number] if name not in known] == []
