"""Answers to forms that htmx has sent.

The browser's history then has no page that was the answer to a form, which it could only show again
by sending the form again.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect


def is_by_script(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    """To a page of ours."""
    if is_by_script(request):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def in_place(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """A whole page as the answer to a form that htmx has sent: it takes the place of this one."""
    if is_by_script(request):
        answer.status_code = 200  # htmx shows nothing of an answer that refuses.
        answer.headers["HX-Retarget"] = answer.headers["HX-Reselect"] = "#main"
        answer.headers["HX-Reswap"] = "outerHTML show:window:top"
    return answer


def answer_in_place(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Whatever a page answers to a form, as :func:`go_to` or :func:`in_place` would say it."""
    if not is_by_script(request):
        return answer
    if isinstance(answer, HttpResponseRedirect):
        # What the answer has set in the browser, such as a language, is set all the same.
        moved = HttpResponse(headers={"HX-Redirect": answer.url})
        moved.cookies = answer.cookies
        return moved
    return in_place(request, answer) if request.method == "POST" else answer
