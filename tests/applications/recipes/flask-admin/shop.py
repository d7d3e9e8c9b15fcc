"""A shop's back office, as Flask-Admin's examples write it: models, files, CSRF tokens."""

import os

from flask import Flask, redirect, url_for
from flask_admin import Admin
from flask_admin.contrib.fileadmin import FileAdmin
from flask_admin.contrib.sqla import ModelView
from flask_admin.form import SecureForm
from flask_sqlalchemy import SQLAlchemy

HERE = os.path.dirname(os.path.abspath(__file__))

app = Flask(__name__)
app.config["SECRET_KEY"] = "tested with pyfcgid"
app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{HERE}/shop.db"
db = SQLAlchemy(app)


class Author(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100), unique=True)
    books = db.relationship("Book", back_populates="author")

    def __str__(self):
        return self.name


class Book(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(100))
    pages = db.Column(db.Integer)
    author_id = db.Column(db.Integer, db.ForeignKey("author.id"))
    author = db.relationship("Author", back_populates="books")


class AuthorView(ModelView):
    form_base_class = SecureForm
    form_excluded_columns = ["books"]
    column_searchable_list = ["name"]


class BookView(ModelView):
    form_base_class = SecureForm
    can_export = True
    export_types = ["csv"]
    page_size = 50
    column_editable_list = ["pages"]


class Files(FileAdmin):
    form_base_class = SecureForm


admin = Admin(app, name="Shop")
admin.add_view(AuthorView(Author, db))
admin.add_view(BookView(Book, db))
admin.add_view(Files(os.path.join(HERE, "files"), name="Files"))


@app.route("/")
def index():
    return redirect(url_for("admin.index"))
