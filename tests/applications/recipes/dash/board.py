"""A small Dash board: a callback, a pattern-matching callback, an upload, a download, assets."""

import base64

from dash import ALL, Dash, Input, Output, State, dash_table, dcc, html

app = Dash(__name__, suppress_callback_exceptions=True)
server = app.server
app.layout = html.Div([
    dcc.Location(id="url"),
    dcc.Input(id="name", value="world"),
    html.H1(id="greeting"),
    dcc.Graph(id="graph", figure={"data": [{"x": [1, 2, 3], "y": [4, 1, 2], "type": "bar"}]}),
    dash_table.DataTable(id="table", columns=[{"name": "n", "id": "n"}], data=[{"n": n} for n in range(100)]),
    dcc.Upload(id="upload"), html.Div(id="uploaded"),
    html.Button(id="save"), dcc.Download(id="saved"),
])


@app.callback(Output("greeting", "children"), Input("name", "value"))
def greet(name):
    return f"Hello, {name}!"


@app.callback(Output("uploaded", "children"), Input("upload", "contents"), State("upload", "filename"), prevent_initial_call=True)
def uploaded(contents, filename):
    return f"{filename}: {len(base64.b64decode(contents.partition(',')[2]))} bytes"


@app.callback(Output("saved", "data"), Input("save", "n_clicks"), prevent_initial_call=True)
def save(clicks):
    return {"content": f"{clicks} clicks", "filename": "clicks.txt"}
