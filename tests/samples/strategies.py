"""Hypothesis strategies for events of every kind, with few enough names that they meet."""

from hypothesis import strategies as st

USERS = st.sampled_from(["ada", "bob", "cyd", "Äöü 😀"])
TALKS = st.sampled_from(["c1", "c2", "c3"])
SECONDS = st.none() | st.floats(0, 86_400)
# Far back, across several midnights, and up to just below five minutes ahead.
MINUTES = st.integers(-3 * 1440, 4)
IDS = st.none() | st.integers(0, 5).map(lambda number: f"e{number}")
ACTIVITY = st.fixed_dictionaries(
    {
        "type": st.just("activity"),
        "user_id": USERS,
        "username": USERS,
        "activity_type": st.sampled_from(["login", "logout", "message_sent"]),
    }
)
CALL = st.fixed_dictionaries(
    {
        "type": st.just("api_usage"),
        "endpoint": st.sampled_from(["/a", "/b"]),
        "method": st.just("GET"),
        "status_code": st.sampled_from([200, 404, 500]),
        "response_time": st.floats(0, 86_400),
        "user_id": st.none() | USERS,
    }
)
TALK = st.fixed_dictionaries(
    {
        "type": st.just("conversation"),
        "conversation_id": TALKS,
        "user_id": USERS,
        "action": st.sampled_from(["created", "deleted"]),
    }
)
MESSAGE = st.fixed_dictionaries(
    {
        "type": st.just("message"),
        "message_id": st.integers(0, 20).map(lambda number: f"m{number}"),
        "conversation_id": TALKS,
        "user_id": USERS,
        "role": st.sampled_from(["user", "assistant", "system", "tool"]),
        "token_count": st.none() | st.integers(0, 2**31 - 1),
        "response_time": SECONDS,
        "model_used": st.none() | st.sampled_from(["small", "large:2", "Größe 😀"]),
    }
)
TOKENS = st.sampled_from([None, 0, 7, 1000])
LLM_CALL = st.fixed_dictionaries(
    {
        "type": st.just("llm_call"),
        "provider": st.sampled_from(["openai", "anthropic"]),
        "model": st.sampled_from(["gpt-5-mini", "large:2"]),
        "operation": st.sampled_from(["chat", "embedding"]),
        "user_id": st.none() | USERS,
        "conversation_id": st.none() | TALKS,
        "input_tokens": st.sampled_from([None, 2000, 2**31 - 1]),
        "cached_input_tokens": TOKENS,
        "cache_write_tokens": TOKENS,
        "output_tokens": st.sampled_from([None, 1000, 2**31 - 1]),
        "reasoning_tokens": TOKENS,
        "response_time": SECONDS,
        "time_to_first_token": st.sampled_from([None, 0.25]),
        "error_type": st.none() | st.just("timeout"),
        "cost": st.sampled_from([None, None, "0", "0.0000000015", "10000"]),
    }
)
EVENT = st.tuples(ACTIVITY | CALL | TALK | MESSAGE | LLM_CALL, IDS, st.none() | MINUTES)
