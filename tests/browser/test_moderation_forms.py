# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for moderators shows a command that it has never heard of, with whatever form the server gives it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from ..kit.erlang import run_in_erlang
from ..kit.service import PATIENCE, Service
from .moderation import Case, confirm, log_in, said
from .moderation import case as case
from .site import Visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

# Each kind of field that a command may have some day, with what the page makes of it.
FORM = """<x xmlns='jabber:x:data' type='form'><title>Try</title><instructions>Read</instructions>
<field type='hidden' var='kept'><value>one</value></field>
<field type='fixed'><value>first</value><value>second &lt;b&gt;</value></field>
<field type='boolean' var='yes' label='Sure'><value>true</value><desc>Why</desc></field>
<field type='list-single' var='single' label='One of them'><required/><value>b</value>
<option label='A'><value>a</value></option><option label='B'><value>b</value></option></field>
<field type='list-multi' var='multi' label='Some'><value>x</value>
<option><value>x</value></option><option><value>y</value></option></field>
<field type='text-multi' var='lines' label='Lines'><value>1</value><value> 2</value></field>
<field type='jid-multi' var='addresses' label='Addresses'><value>a@b</value></field>
<field type='jid-single' var='address' label='Address'><value>c@d</value></field>
<field var='plain' label='Plain'/></x>"""
RESULT = """<x xmlns='jabber:x:data' type='result'><title>Found</title>
<reported><field var='a' label='Name'/><field var='b' label='Day'/></reported>
<item><field var='b'><value>today</value></field><field var='a'><value>&lt;i&gt;maria</value></field></item></x>"""
_RENDER = """async ([form, result]) => {
    const { controls, instructions, results, title } = await import("/moderation/forms.js");
    const parsed = (text) => new DOMParser().parseFromString(text, "text/xml").documentElement;
    const made = controls(parsed(form));
    const place = document.getElementById("content");
    place.append(...instructions(parsed(form)), ...made.flatMap(({ box }) => box || []));
    place.append(...results(parsed(result)).parts);
    return [title(parsed(form)), made.filter(({ name }) => name).map(({ name, values }) => [name, values()])];
}"""
# A command of two forms, offered to everybody, that shows at the end what it was sent.
ADD = """run([Host, First, Second]) ->
    Node = <<"conexizan:moderators#try">>,
    El = fun(Name, Attributes, Inside) -> {xmlel, Name, Attributes, Inside} end,
    Form = fun(Text) -> fxml_stream:parse_element(list_to_binary(Text)) end,
    Actions = fun(Usual, All) -> El(<<"actions">>, [{<<"execute">>, Usual}], [El(One, [], []) || One <- All]) end,
    Field = fun(Name, Values) ->
        El(<<"field">>, [{<<"var">>, Name}], [El(<<"value">>, [], [{xmlcdata, Value}]) || Value <- Values])
    end,
    Row = fun(Sent) ->
        Name = fxml:get_tag_attr_s(<<"var">>, Sent),
        Values = [fxml:get_tag_cdata(Value) || Value <- fxml:get_subtags(Sent, <<"value">>)],
        El(<<"item">>, [], [Field(<<"name">>, [Name]), Field(<<"sent">>, Values)])
    end,
    Items = fun({result, Some}, _From, To, _Lang) ->
        Item = El(<<"item">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/disco#items">>}, {<<"jid">>, jid:encode(To)},
                               {<<"node">>, Node}, {<<"name">>, <<"Try & see">>}], []),
        {result, Some ++ [xmpp:decode(Item)]}
    end,
    Command = fun(Acc, _From, _To, Request) ->
        Asked = xmpp:encode(Request),
        {Status, Content} = case fxml:get_tag_attr_s(<<"action">>, Asked) of
            <<"next">> -> {<<"executing">>, [Actions(<<"complete">>, [<<"prev">>, <<"complete">>]), Form(Second)]};
            <<"complete">> ->
                Reported = El(<<"reported">>, [], [Field(<<"name">>, []), Field(<<"sent">>, [])]),
                Sent = fxml:get_subtags(fxml:get_subtag(Asked, <<"x">>), <<"field">>),
                Attributes = [{<<"xmlns">>, <<"jabber:x:data">>}, {<<"type">>, <<"result">>}],
                {<<"completed">>, [El(<<"x">>, Attributes, [Reported | [Row(One) || One <- Sent]])]};
            _ -> {<<"executing">>, [Actions(<<"next">>, [<<"next">>]), Form(First)]}
        end,
        case fxml:get_tag_attr_s(<<"node">>, Asked) of
            Node ->
                Named = [{<<"node">>, Node}, {<<"sessionid">>, <<"one">>}, {<<"status">>, Status}],
                {stop, El(<<"command">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/commands">>} | Named], Content)};
            _ -> Acc
        end
    end,
    persistent_term:put(tried, {Items, Command}),
    ejabberd_hooks:add(adhoc_local_items, list_to_binary(Host), Items, 70),
    ejabberd_hooks:add(adhoc_local_commands, list_to_binary(Host), Command, 50).
"""
REMOVE = """run([Host]) ->
    {Items, Command} = persistent_term:get(tried),
    ejabberd_hooks:delete(adhoc_local_items, list_to_binary(Host), Items, 70),
    ejabberd_hooks:delete(adhoc_local_commands, list_to_binary(Host), Command, 50),
    persistent_term:erase(tried).
"""
FIRST = """<x xmlns='jabber:x:data' type='form'><title>First</title>
<field type='text-single' var='word' label='Word'><required/></field></x>"""
SECOND = """<x xmlns='jabber:x:data' type='form'><title>Second</title>
<field type='hidden' var='kept'><value>hidden one</value></field>
<field type='list-single' var='single' label='One of them'><required/>
<option label='A'><value>a</value></option><option label='B'><value>b</value></option></field>
<field type='text-multi' var='lines' label='Lines'/></x>"""


@pytest.fixture
def another_command(service: Service) -> Iterator[None]:
    """As a later version of the server may have."""
    run_in_erlang(service, ADD, service.domain, FIRST, SECOND)
    yield
    run_in_erlang(service, REMOVE, service.domain)


@pytest.mark.usefixtures("another_command")
async def test_command_that_is_new_is_there(browser: Browser, service: Service, case: Case) -> None:
    """Of several forms, back and forth, and what comes of it in a table; it asks before it is done."""
    visit = await Visit.begin(browser, service.domain, "phone")
    page = await visit.open("/en/moderation/")
    await log_in(page, case.moderator)
    stage = page.locator("#stage")
    await page.get_by_role("button", name="Try & see", exact=True).click(timeout=PATIENCE * 1000)
    await expect(stage.locator("h2")).to_have_text("First")
    await stage.locator("[type=submit]").click()
    await expect(stage.get_by_label("Word")).to_be_focused()  # which it needs
    await stage.get_by_label("Word").fill("x")
    for forth in (said("en", "next"), said("en", "prev")):
        await stage.get_by_role("button", name=forth, exact=True).click()
        await expect(stage.locator("h2")).to_be_focused()
    await stage.get_by_label("Word").fill("x")
    await stage.get_by_role("button", name=said("en", "next"), exact=True).click()
    await expect(stage.locator("h2")).to_have_text("Second")
    await stage.get_by_label("One of them").select_option("B")
    await stage.get_by_label("Lines").fill("1\n<2>")
    await visit.check(page, "moderation-second-en")
    await stage.locator("[type=submit]").click()
    await expect(stage.locator(".check dd")).to_have_text(["B", "1\n<2>"])
    await confirm(page, "en", "Try & see")
    await expect(page.locator("#command [role=status]")).to_have_text(said("en", "done"), timeout=PATIENCE * 1000)
    cells = await page.locator("#results td").all_inner_texts()
    assert cells == ["kept", "hidden one", "single", "b", "lines", "1\n<2>"]
    await visit.check(page, "moderation-table-en")
    assert await visit.end() == []


async def test_forms_of_any_kind_can_be_filled_in(browser: Browser, service: Service) -> None:
    """What the server has given is sent back as it was, and all of it is text."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/moderation/")
    title, fields = await page.evaluate(_RENDER, [FORM, RESULT])
    assert title == "Try"
    assert fields == [
        ["kept", ["one"]],
        ["yes", ["1"]],
        ["single", ["b"]],
        ["multi", ["x"]],
        ["lines", ["1", " 2"]],
        ["addresses", ["a@b"]],
        ["address", ["c@d"]],
        ["plain", [""]],
    ]
    await expect(page.locator("#content .fixed").last).to_have_text("first\nsecond <b>")
    await expect(page.locator("#content th")).to_have_text(["Name", "Day"])
    await expect(page.locator("#content td")).to_have_text(["<i>maria", "today"])
    await visit.check(page, "moderation-forms-en")
    assert await visit.end() == []
